/**
 * known_accounts: the account keys this peer remembers, as SSH remembers hosts. Laws: 1) the first key met for an account is remembered;
 * 2) another one is refused until a person says `trust`;  3) what is remembered is by coordinator (its long-term key, not its
 * address), so that two networks with an `alice` each do not mix.  (I/O: one 0600 file)
 */

import { join } from "@std/path";
import * as v from "valibot";
import { formatHex, parseHex } from "../core/bytes.ts";
import { foldAccount } from "../session/opaque.ts";
import { jsonMap, readStateFile, writeStateFile } from "./state_file.ts";

const hex64 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const fileContent = v.object({ coordinators: jsonMap(jsonMap(hex64)) });

/** What this peer knows of an account's key. */
export type KeyTrust = "remembered" | "new" | "changed";

export class KnownAccounts {
  readonly #path: string;
  /** coordinator key → folded account name → account key, all hex. */
  readonly #known: Map<string, Map<string, string>>;

  private constructor(path: string, known: Map<string, Map<string, string>>) {
    this.#path = path;
    this.#known = known;
  }

  /**
   * Reads the file of a state folder.
   * @throws {StoreError} If it is damaged, or a newer program wrote it: forgetting keys silently would undo their purpose.
   */
  static open(stateFolder: string): KnownAccounts {
    const path = join(stateFolder, "known_accounts.json");
    const found = readStateFile({
      path,
      content: fileContent,
      what: "the remembered account keys",
      hint: "Restore it, or remove it to meet every account anew (compare fingerprints then)",
    });
    return new KnownAccounts(path, found?.coordinators ?? new Map());
  }

  /** Compares a key with what is remembered. */
  check(coordinatorKey: Uint8Array, account: string, accountKey: Uint8Array): KeyTrust {
    const remembered = this.#known.get(formatHex(coordinatorKey))?.get(foldAccount(account));
    if (remembered === undefined) return "new";
    return remembered === formatHex(accountKey) ? "remembered" : "changed";
  }

  /** The remembered key of an account. */
  keyOf(coordinatorKey: Uint8Array, account: string): Uint8Array | undefined {
    const remembered = this.#known.get(formatHex(coordinatorKey))?.get(foldAccount(account));
    return remembered === undefined ? undefined : parseHex(remembered);
  }

  /** Remembers a key, in place of another if there was one. Durable when it returns. */
  remember(coordinatorKey: Uint8Array, account: string, accountKey: Uint8Array): void {
    const coordinator = formatHex(coordinatorKey);
    const accounts = this.#known.get(coordinator) ?? new Map<string, string>();
    if (accounts.get(foldAccount(account)) === formatHex(accountKey)) return;
    accounts.set(foldAccount(account), formatHex(accountKey));
    this.#known.set(coordinator, accounts);
    writeStateFile(this.#path, { coordinators: this.#known });
  }

  /** Checks a key and remembers it if it is the first one met. */
  meet(coordinatorKey: Uint8Array, account: string, accountKey: Uint8Array): KeyTrust {
    const trust = this.check(coordinatorKey, account, accountKey);
    if (trust === "new") this.remember(coordinatorKey, account, accountKey);
    return trust;
  }
}
