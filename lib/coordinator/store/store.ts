/**
 * store: what the coordinator remembers across a restart, whatever engine keeps it. Laws: 1) a write is answered when its
 * group is synced, not before;  2) an ask that is refused undoes itself alone, a group whose commit fails undoes all of it and
 * answers each ask with the failure;  3) asks never reject: a store that fails answers a refusal, whose text names no
 * path, since peers read it. Every engine passes tests/coordinator/store/conformance.ts.  (interface alone)
 */

import type { StoreAnswer, StoreAsk } from "../role/store_effects.ts";

/** An account as `coordinator user list` shows it. */
export interface StoredAccount {
  readonly name: string;
  readonly disabled: boolean;
  readonly devices: number;
  readonly shares: number;
  readonly createdAtMs: number;
}

/** What the store holds, for `coordinator status`. */
export interface StoreFigures {
  readonly accounts: number;
  readonly devices: number;
  readonly online: number;
  readonly files: number;
  readonly shares: number;
}

/** The bounds that a store holds; `limits` has the real ones, tests pass small ones. */
export interface StoreBounds {
  readonly sharesPerAccountMax: number;
  readonly devicesPerAccountMax: number;
  readonly searchCandidatesMax: number;
}

export interface Store {
  /** Runs writes as one group, in order; resolves once it is durable. Presence rides along. */
  write<const A extends readonly StoreAsk[]>(
    asks: A,
  ): Promise<{ readonly [I in keyof A]: StoreAnswer<A[I]["operation"]> }>;
  /** Answers a question from what is committed. */
  read<A extends StoreAsk>(ask: A): Promise<StoreAnswer<A["operation"]>>;

  /**
   * Puts an account with its OPAQUE record. With `overwrite` the record of one that is there is replaced, and with it the account
   * key goes: it is sealed under what only the old password yields. Durable when it resolves.
   * @param name As `parseAccountName` made it.
   * @throws {StoreError} If the store failed.
   */
  putAccount(
    name: string,
    record: string,
    options: { readonly overwrite: boolean; readonly nowMs: number },
  ): Promise<"added" | "kept" | "replaced">;
  /** Disables an account first, then removes it with its devices and shares, in slices. False if there is none. */
  removeAccount(name: string): Promise<boolean>;
  /** Lets an account log in, or not. False if there is none. */
  setDisabled(name: string, disabled: boolean): Promise<boolean>;
  /** Finds an account under any spelling that means it. */
  findAccount(name: string): Promise<StoredAccount | undefined>;
  /** Every account, in the order of their names. */
  listAccounts(): Promise<readonly StoredAccount[]>;
  figures(): Promise<StoreFigures>;
  /** Closes the store; what was written is in its file. Safe to call twice. */
  close(): Promise<void>;
}
