/**
 * login_prompt: who logs in, and by what: the device's key where it is enrolled, else a password, from where people and scripts put it.
 * Laws: 1) a password never comes from argv, is never shown, and is neither asked for nor read where the key is taken;  2) where
 * nobody can answer, the error names the options;  3) a person has three tries, a script one;  4) a key that is refused is said to be.
 * Spec: docs/cli.md "Logging in".  (the terminal and reading are passed in)
 */

import { ShoalError, UsageError } from "../core/errors.ts";
import { escapeText } from "../core/escape.ts";

export interface Credentials {
  readonly account: string;
  /** Undefined: by the device's key. */
  readonly password: string | undefined;
}

/** A person at a terminal. Each answers undefined at the end of input. */
export interface LoginTerminal {
  ask(question: string): string | undefined;
  /** Asks without showing what is typed. */
  askSecret(question: string): string | undefined;
  say(line: string): void;
}

export interface LoginSources {
  /** What --user, environment or config say. */
  readonly user: string | undefined;
  /** The accounts that this device's key has been let in to at this coordinator, and whether a name means one of them. */
  readonly enrolled: readonly string[];
  readonly isEnrolled: (account: string) => boolean;
  /** Tells of a key that was refused. */
  readonly note: (message: string) => void;
  /** What --password-file, environment or config say; absolute. */
  readonly passwordFile: string | undefined;
  readonly env: (name: string) => string | undefined;
  /** Reads the password file; see `readPasswordFile`. */
  readonly readSecret: (path: string) => string;
  /** Undefined where nobody can answer. */
  readonly terminal: LoginTerminal | undefined;
}

const triesMax = 3;
const passwordHint =
  "Give the password with --password-file FILE, SHOAL_PASSWORD_FILE or SHOAL_PASSWORD, or run this at a terminal";

/**
 * Logs in by the device's key, else with the password that was told or is typed.
 * @param login Tries credentials; a ShoalError `denied` of it goes on to the password, or asks a person again.
 * @throws {UsageError} If something is missing and nobody can answer.
 * @throws {ShoalError} What the last try failed with.
 */
export async function logIn<T>(sources: LoginSources, login: (credentials: Credentials) => Promise<T>): Promise<T> {
  const { terminal, user, enrolled } = sources;
  let account = user ?? (enrolled.length === 1 ? enrolled[0] : undefined);
  for (let tries = 1;; tries++) {
    if (user === undefined && terminal !== undefined) account = askAccount(terminal, account);
    account ??= missing("user name");
    const byKey = tries === 1 ? await tryKey(account, sources, login) : undefined;
    if (byKey !== undefined && "value" in byKey) return byKey.value;
    const told = toldPassword(sources);
    const password = told ?? askPassword(account, terminal, byKey?.refusal);
    try {
      return await login({ account, password });
    } catch (error) {
      const isWrong = error instanceof ShoalError && error.code === "denied";
      const canAsk = terminal !== undefined && (told === undefined || user === undefined);
      if (!isWrong || !canAsk || tries >= triesMax) throw error;
      terminal.say(`${escapeText(error.message)}. Try again`);
    }
  }
}

/** Tries the device's key, where it is enrolled. Undefined, or why it was refused: then the password is needed. */
async function tryKey<T>(
  account: string,
  { isEnrolled, note }: LoginSources,
  login: (credentials: Credentials) => Promise<T>,
): Promise<{ readonly value: T } | { readonly refusal: ShoalError } | undefined> {
  if (!isEnrolled(account)) return undefined;
  try {
    return { value: await login({ account, password: undefined }) };
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== "denied") throw error;
    note(error.message);
    return { refusal: error };
  }
}

function askPassword(account: string, terminal: LoginTerminal | undefined, refusal: ShoalError | undefined): string {
  const typed = terminal?.askSecret(`Password of ${account}:`);
  if (typed !== undefined) return typed;
  if (refusal === undefined) missing("password");
  throw new ShoalError(refusal.code, refusal.message, { cause: refusal, hint: passwordHint });
}

function toldPassword({ passwordFile, env, readSecret }: LoginSources): string | undefined {
  if (passwordFile === undefined) return env("SHOAL_PASSWORD") || undefined;
  return readSecret(passwordFile);
}

function askAccount(terminal: LoginTerminal, last: string | undefined): string {
  for (let asked = 0; asked < triesMax; asked++) {
    const answer = terminal.ask(last === undefined ? "User name:" : `User name [${last}]:`);
    if (answer === undefined) break;
    const account = answer.trim() || last;
    if (account !== undefined) return account;
  }
  return missing("user name");
}

function missing(what: "user name" | "password"): never {
  throw new UsageError(`Cannot log in: the ${what} is missing`, {
    hint: what === "password" ? passwordHint : "Give it with --user NAME or SHOAL_USER, or run this at a terminal",
  });
}
