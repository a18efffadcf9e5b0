/**
 * known_coordinators: the coordinators that this device is enrolled at, by address and account, and what it logs in with by its key.
 * Laws: 1) the first login key met at an address is remembered;  2) another one is refused until a person removes it here;
 * 3) the coordinators of one network are one entry: the address that a person named first, with the others that were told there;
 * 4) nothing of it is secret, and nothing of it may be altered.  (I/O: one 0600 file)
 */

import { join } from "@std/path";
import * as v from "valibot";
import { type Bytes, formatHex, parseHex } from "../core/bytes.ts";
import { deviceIdFrom } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../core/transport.ts";
import type { Enrolment } from "../membership/types.ts";
import { foldAccount } from "../session/opaque.ts";
import { verifyDevice } from "../session/proofs.ts";
import { jsonMap, readStateFile, writeStateFile } from "./state_file.ts";

const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));
const entrySchema = v.object({
  account: v.string(),
  loginKey: hex(64),
  coordinatorKey: hex(64),
  accountKey: hex(64),
  deviceSignature: hex(128),
});
const fileContent = v.object({
  coordinators: jsonMap(jsonMap(entrySchema)),
  /** Address → other coordinators of its network. */
  others: v.optional(jsonMap(v.array(v.string())), {}),
});
type Entry = v.InferOutput<typeof entrySchema>;

export class KnownCoordinators {
  readonly #path: string;
  /** address → folded account name → what a login left. */
  readonly #known: Map<string, Map<string, Entry>>;
  readonly #others: Map<string, readonly string[]>;

  private constructor(path: string, known: Map<string, Map<string, Entry>>, others: Map<string, readonly string[]>) {
    this.#path = path;
    this.#known = known;
    this.#others = others;
  }

  /**
   * Reads the file of a state folder.
   * @throws {StoreError} If it is damaged, or a newer program wrote it: forgetting keys silently would undo their purpose.
   */
  static open(stateFolder: string): KnownCoordinators {
    const path = join(stateFolder, "known_coordinators.json");
    const found = readStateFile({
      path,
      content: fileContent,
      what: "the remembered coordinators",
      hint: "Restore it, or remove it and log in with the password",
    });
    return new KnownCoordinators(path, found?.coordinators ?? new Map(), found?.others ?? new Map());
  }

  /** Under which address what belongs to an address is kept: the one of its network that was met first. */
  networkOf(address: string): string {
    if (this.#known.has(address)) return address;
    for (const [first, others] of this.#others) if (this.#known.has(first) && others.includes(address)) return first;
    return address;
  }

  /** Every coordinator of the network that is kept under an address, as far as it was told; that one is the first. */
  coordinatorsOf(address: string): readonly Endpoint[] {
    return [address, ...this.#others.get(address) ?? []].map(parseEndpoint).filter((one) => one !== undefined);
  }

  /** Remembers the coordinators of a network that live; of those that were told earlier as many as there is room for. Durable when it returns. */
  rememberOthers(address: string, live: readonly Endpoint[]): void {
    const known = this.#others.get(address) ?? [];
    const told = live.map(formatEndpoint).filter((one) => one !== address).sort();
    const others = [...told, ...known.filter((one) => !told.includes(one))].slice(0, limits.coordinatorsMax);
    if (told.length === 0 || others.toSorted().join() === known.toSorted().join()) return;
    this.#others.set(address, others);
    this.#write();
  }

  /** The accounts that this device is enrolled in at an address, as they are spelled. */
  accountsAt(address: string): readonly string[] {
    return [...this.#known.get(address)?.values() ?? []].map(({ account }) => account);
  }

  /**
   * What a device logs in with; undefined where it needs the password, as where its key is a new one.
   * @param device Its public key.
   */
  enrolment(address: string, account: string, device: Uint8Array): Enrolment | undefined {
    const entry = this.#known.get(address)?.get(foldAccount(account));
    if (entry === undefined) return undefined;
    const { loginKey, coordinatorKey, accountKey, deviceSignature } = entry;
    const enrolment = {
      account: entry.account,
      loginKey: parseHex(loginKey)!,
      coordinatorKey: parseHex(coordinatorKey)!,
      accountKey: parseHex(accountKey)!,
      deviceSignature: parseHex(deviceSignature)!,
    };
    const { accountKey: key, deviceSignature: signature } = enrolment;
    const isOurs = verifyDevice(key, signature, entry.account, deviceIdFrom(device));
    return isOurs ? enrolment : undefined;
  }

  /** The login key that was met at an address. */
  loginKey(address: string, account: string): Bytes | undefined {
    const entry = this.#known.get(address)?.get(foldAccount(account));
    return entry && parseHex(entry.loginKey);
  }

  /** Remembers what a login left, in place of what an earlier one did. Durable when it returns. */
  remember(address: string, enrolment: Enrolment): void {
    const { account, loginKey, coordinatorKey, accountKey, deviceSignature } = enrolment;
    const entry: Entry = {
      account,
      loginKey: formatHex(loginKey),
      coordinatorKey: formatHex(coordinatorKey),
      accountKey: formatHex(accountKey),
      deviceSignature: formatHex(deviceSignature),
    };
    const accounts = this.#known.get(address) ?? new Map<string, Entry>();
    if (JSON.stringify(accounts.get(foldAccount(account))) === JSON.stringify(entry)) return;
    accounts.set(foldAccount(account), entry);
    this.#known.set(address, accounts);
    this.#write();
  }

  /** Forgets an account at an address: the password is needed there, and whatever key is met next is the first. */
  forget(address: string, account: string): void {
    const accounts = this.#known.get(address);
    if (accounts?.delete(foldAccount(account)) !== true) return;
    if (accounts.size === 0) {
      this.#known.delete(address);
      this.#others.delete(address);
    }
    this.#write();
  }

  #write(): void {
    const others = this.#others.size === 0 ? {} : { others: this.#others };
    writeStateFile(this.#path, { coordinators: this.#known, ...others });
  }
}
