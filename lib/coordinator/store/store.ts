/**
 * store: what the coordinator remembers across a restart, whatever engine keeps it. Laws: 1) a write is answered when its
 * group is synced, not before;  2) an ask that is refused undoes itself alone, a group whose commit fails undoes all of it and
 * answers each ask with the failure;  3) asks never reject: a store that fails answers a refusal, whose text names no
 * path, since peers read it. Every engine passes tests/coordinator/store/conformance.ts.  (interface alone)
 */

import type { Role } from "../../wire/message.ts";
import type { StoreAnswer, StoreAsk } from "../role/store_effects.ts";

/** An account as `coordinator user list` shows it. */
export interface StoredAccount {
  readonly name: string;
  readonly disabled: boolean;
  readonly devices: number;
  readonly shares: number;
  readonly createdAtMs: number;
  readonly role: Role;
  /** Null: as the coordinator lets everybody. */
  readonly sharesMax: number | null;
  readonly rate: number | null;
}

/** An invite that is to be made. */
export interface NewInvite {
  /** `inviteName` of its secret. */
  readonly name: string;
  /** OPAQUE's of its secret, in the library's base64url. */
  readonly record: string;
  readonly role: Role;
  readonly note: string;
  readonly createdAtMs: number;
  /** Null for that of open registration. */
  readonly expiresAtMs: number | null;
}

/** An invite as `coordinator invite list` shows it; the code itself is known to nobody but who was given it. */
export interface StoredInvite {
  readonly invite: number;
  readonly role: Role;
  readonly note: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly usedAtMs: number | null;
  readonly usedBy: string | null;
}

/** A group as `coordinator group list` shows it. */
export interface StoredGroup {
  readonly name: string;
  /** Names of accounts, in order. */
  readonly members: readonly string[];
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

/** A coordinator among those that run on one database. */
export interface Instance {
  /** Random; a start is another instance. */
  readonly instance: number;
  /** Where peers reach it, as `formatEndpoint` has it; null: it was not told. */
  readonly address: string | null;
}

/** A PostgreSQL database, and how long a dead coordinator's devices stay online in it. */
export interface DatabasePlace {
  readonly url: string;
  readonly leaseMs: number;
  /** Who uses it; null: a command, which has no devices and is no coordinator. */
  readonly as?: Instance | null;
}

/** Where a store is: the path of a SQLite file, or a database. */
export type StorePlace = string | DatabasePlace;

export interface Store {
  /** Runs writes as one group, in order; resolves once it is durable. Presence rides along. */
  write<const A extends readonly StoreAsk[]>(
    asks: A,
  ): Promise<{ readonly [I in keyof A]: StoreAnswer<A[I]["operation"]> }>;
  /** Answers a question from what is committed. */
  read<A extends StoreAsk>(ask: A): Promise<StoreAnswer<A["operation"]>>;
  /** What `read` would answer, where it is at hand. */
  known?<A extends StoreAsk>(ask: A): StoreAnswer<A["operation"]> | undefined;

  /**
   * Puts an account with its OPAQUE record. With `overwrite` the record of one that is there is replaced, and with it the account
   * key goes: it is sealed under what only the old password yields. Durable when it resolves.
   * @param name As `parseAccountName` made it.
   * @returns `lookAlike` where it was not added, for another account's name looks the same.
   * @throws {StoreError} If the store failed.
   */
  putAccount(
    name: string,
    record: string,
    options: { readonly overwrite: boolean; readonly nowMs: number },
  ): Promise<"added" | "kept" | "replaced" | "lookAlike">;
  /** Disables an account first, then removes it with its devices and shares, in slices. False if there is none. */
  removeAccount(name: string): Promise<boolean>;
  /** Lets an account log in, or not. False if there is none. */
  setDisabled(name: string, disabled: boolean): Promise<boolean>;
  /** Sets what an account may do; one that may only read has its shares withdrawn, in slices. False if there is none. */
  setRole(name: string, role: Role): Promise<boolean>;
  /** Sets an account's own limits; null: as all. False if there is none. */
  setLimits(
    name: string,
    limits: { readonly sharesMax: number | null; readonly rate: number | null },
  ): Promise<boolean>;
  /**
   * Adds invites, and forgets those that were spent or expired limits.inviteKeptMs ago; one that is there is left as it is.
   * @throws {ShoalError} `limit` if there would be more than limits.invitesMax that can be used.
   */
  putInvites(invites: readonly NewInvite[], nowMs: number): Promise<void>;
  /** All but that of open registration, the oldest first. */
  listInvites(): Promise<readonly StoredInvite[]>;
  /** Forgets an invite by its number, or that of open registration (0). False if there is none, or it is spent. */
  revokeInvite(invite: number): Promise<boolean>;
  /** Finds an account under any spelling that means it. */
  findAccount(name: string): Promise<StoredAccount | undefined>;
  /** Every account, in the order of their names. */
  listAccounts(): Promise<readonly StoredAccount[]>;
  /**
   * Makes a group without members. False if there is one of that name, in any spelling.
   * @param name As `parseGroupName` made it.
   * @throws {ShoalError} With code `limit`, if there are too many.
   */
  createGroup(name: string, nowMs: number): Promise<boolean>;
  /** Deletes a group; whoever saw a share through it alone does not any more. Its members; undefined if there is none. */
  deleteGroup(name: string): Promise<readonly string[] | undefined>;
  /**
   * Puts an account into a group, or takes it out. False if that changes nothing.
   * @throws {ShoalError} With code `notFound`, if there is no such group or account; `limit`, if one has too many.
   */
  setGroupMember(group: string, account: string, isMember: boolean): Promise<boolean>;
  /** Every group, in the order of their names. */
  listGroups(): Promise<readonly StoredGroup[]>;
  /** Says by which keys the accounts are made, `mark` of the key file; false if others were said first. */
  claimKeys(mark: string): Promise<boolean>;
  figures(): Promise<StoreFigures>;
  /** Closes the store; what was written is in its file. Safe to call twice. */
  close(): Promise<void>;
}
