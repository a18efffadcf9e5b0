/**
 * accounts: accounts made on the coordinator's own machine, from passwords that become OPAQUE records and are then forgotten.
 * Laws: 1) a password is in no message, no log and no file that this program writes;  2) a name that the store has is left as it is;
 * 3) stretching takes 0.1 s each, so accounts are registered one at a time, and a login waits for its own alone.
 */

import { setImmediate } from "node:timers";
import { UsageError } from "../core/errors.ts";
import { defaultStretching, foldAccount, loadOpaque, registerLocally, type Stretching } from "../session/opaque.ts";
import { parsePassword } from "../session/password.ts";
import { parseAccountName } from "./account_name.ts";
import type { Store } from "./store/store.ts";

/** A name and the password that it is to have. */
export interface Credential {
  readonly account: string;
  readonly password: string;
}

/**
 * Parses a credentials file: "name password" a line; the password is everything after the first gap, so it may hold spaces. Empty
 * lines and lines that begin with `#` are skipped.
 * @throws {UsageError} Naming the line, if one is neither, or a name comes twice.
 */
export function parseCredentials(text: string, path: string): readonly Credential[] {
  const credentials = new Map<string, Credential>();
  for (const [index, whole] of text.replace(/^\ufeff/, "").split("\n").entries()) {
    const line = whole.replace(/\r$/, "");
    if (line.trim() === "" || line.startsWith("#")) continue;
    const where = `line ${index + 1} of ${path}`;
    const [, name, password] = /^([^\s:,]+)[ \t]+(.+)$/.exec(line) ?? [];
    if (name === undefined || password === undefined) {
      throw new UsageError(`Cannot read ${where}: it is not a name, a space and a password`);
    }
    const account = checked(() => parseAccountName(name), where);
    if (credentials.has(foldAccount(account))) throw new UsageError(`Cannot read ${where}: ${account} comes twice`);
    credentials.set(foldAccount(account), { account, password: checked(() => parsePassword(password), where) });
  }
  return [...credentials.values()];
}

/** Accounts that are asked for and not in the store yet. */
export class PendingAccounts {
  readonly #store: Store;
  readonly #serverSetup: string;
  readonly #stretching: Stretching;
  readonly #clock: () => number;
  readonly #onRefused: (account: string) => void;
  readonly #onAdded: (account: string) => void;
  readonly #waiting = new Map<string, Credential>();
  /** Registrations under way, for logins that come meanwhile. */
  readonly #running = new Map<string, Promise<void>>();
  /** The last password that is to be stretched. */
  #stretched: Promise<void> = Promise.resolve();

  constructor(
    { store, serverSetup, clock, onRefused, onAdded = () => {}, stretching = defaultStretching }: {
      readonly store: Store;
      readonly serverSetup: string;
      readonly clock: () => number;
      /** Told of a name that was not added, for it looks like another account's. */
      readonly onRefused: (account: string) => void;
      readonly onAdded?: (account: string) => void;
      readonly stretching?: Stretching;
    },
  ) {
    this.#store = store;
    this.#serverSetup = serverSetup;
    this.#stretching = stretching;
    this.#clock = clock;
    this.#onRefused = onRefused;
    this.#onAdded = onAdded;
  }

  /** Asks for accounts; `registerAll` makes them, `settle` sooner where somebody waits. */
  add(credentials: readonly Credential[]): void {
    for (const credential of credentials) this.#waiting.set(foldAccount(credential.account), credential);
  }

  /**
   * Registers a name that is waited for, now; does nothing for any other.
   * @throws {ShoalError} If the store failed; the name is still asked for then.
   */
  async settle(account: string): Promise<void> {
    const key = foldAccount(account);
    const running = this.#running.get(key);
    if (running !== undefined) return await running;
    const credential = this.#waiting.get(key);
    if (credential === undefined) return;
    const registration = this.#register(credential).finally(() => this.#running.delete(key));
    this.#running.set(key, registration);
    await registration;
    if (this.#waiting.get(key) === credential) this.#waiting.delete(key);
  }

  /**
   * Registers all that is asked for; the loop has turns of its own in between.
   * @returns How many accounts are there after it.
   * @throws {ShoalError} If the store failed.
   */
  async registerAll(signal: AbortSignal): Promise<number> {
    let count = 0;
    for (const key of [...this.#waiting.keys()]) {
      if (signal.aborted) break;
      await this.settle(key);
      count++;
    }
    return count;
  }

  async #register({ account, password }: Credential): Promise<void> {
    if (await this.#store.findAccount(account) !== undefined) return;
    await loadOpaque();
    await this.#turn();
    const record = registerLocally({
      password,
      serverSetup: this.#serverSetup,
      account,
      stretching: this.#stretching,
    });
    const put = await this.#store.putAccount(account, record, { overwrite: false, nowMs: this.#clock() });
    if (put === "lookAlike") this.#onRefused(account);
    else if (put === "added") this.#onAdded(account);
  }

  /**
   * Waits for the turn to stretch a password, which holds the thread: what has arrived meanwhile goes first, before each one. Else a crowd
   * of logins whose accounts are not made yet would keep each other's datagrams waiting for all of them together.
   */
  #turn(): Promise<void> {
    this.#stretched = this.#stretched.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#stretched;
  }
}

/** Adds to a refusal where the text stood. */
function checked<T>(read: () => T, where: string): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`Cannot read ${where}: ${error.message}`, hintOf(error));
    throw error;
  }
}

function hintOf({ hint }: UsageError) {
  return hint === undefined ? {} : { hint };
}
