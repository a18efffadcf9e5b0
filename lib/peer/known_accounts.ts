/**
 * known_accounts: the account keys this peer remembers, as SSH remembers hosts. Laws: 1) the first key met for an account is remembered;
 * 2) another one is refused until a person says `trust`;  3) what is remembered is by coordinator (its long-term key, not its
 * address), so that two networks with an `alice` each do not mix.  (I/O: one 0600 file)
 */

import { join } from "@std/path";
import * as v from "valibot";
import { formatHex, parseHex } from "../core/bytes.ts";
import { newerSchema, StoreError } from "../core/errors.ts";
import { foldAccount } from "../session/opaque.ts";
import { readPrivateFile, writePrivateFile } from "./home.ts";

const schemaVersion = 1;
const hex64 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const fileSchema = v.object({
  schema: v.literal(schemaVersion),
  coordinators: v.record(v.string(), v.record(v.string(), hex64)),
});

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
    const bytes = readPrivateFile(path);
    if (bytes === undefined) return new KnownAccounts(path, new Map());
    let parsed: unknown;
    try {
      parsed = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      parsed = undefined;
    }
    const found = (parsed as { schema?: unknown } | null | undefined)?.schema;
    if (typeof found === "number" && found > schemaVersion) throw newerSchema(path, found, schemaVersion);
    const read = v.safeParse(fileSchema, parsed);
    if (!read.success) {
      throw new StoreError("io", "use the remembered account keys in", path, "it is damaged", {
        hint: "Restore it, or remove it to meet every account anew (compare fingerprints then)",
      });
    }
    const known = new Map(
      Object.entries(read.output.coordinators).map(([key, accounts]) => [key, new Map(Object.entries(accounts))]),
    );
    return new KnownAccounts(path, known);
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
    const coordinators = Object.fromEntries([...this.#known].map(([key, map]) => [key, Object.fromEntries(map)]));
    const text = JSON.stringify({ schema: schemaVersion, coordinators }, null, 1) + "\n";
    writePrivateFile(this.#path, new TextEncoder().encode(text));
  }

  /** Checks a key and remembers it if it is the first one met. */
  meet(coordinatorKey: Uint8Array, account: string, accountKey: Uint8Array): KeyTrust {
    const trust = this.check(coordinatorKey, account, accountKey);
    if (trust === "new") this.remember(coordinatorKey, account, accountKey);
    return trust;
  }
}
