/**
 * login_prompt: user name and password, from where people and scripts put them. Laws: 1) a password never comes from argv and
 * is never shown;  2) where nobody can answer, the error names the options;  3) a person has three tries, a script one.
 * Spec: docs/cli.md "Logging in".  (the terminal and reading are passed in)
 */

import { ShoalError, UsageError } from "../core/errors.ts";
import { escapeText } from "../core/escape.ts";

export interface Credentials {
  readonly account: string;
  readonly password: string;
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
  /** What --password-file, environment or config say; absolute. */
  readonly passwordFile: string | undefined;
  readonly env: (name: string) => string | undefined;
  /** Reads the password file; see `readPasswordFile`. */
  readonly readSecret: (path: string) => string;
  /** Undefined where nobody can answer. */
  readonly terminal: LoginTerminal | undefined;
}

const triesMax = 3;

/**
 * Logs in with what was told or is typed.
 * @param login Tries credentials; a ShoalError `denied` of it asks a person again.
 * @throws {UsageError} If something is missing and nobody can answer.
 * @throws {ShoalError} What the last try failed with.
 */
export async function logIn<T>(sources: LoginSources, login: (credentials: Credentials) => Promise<T>): Promise<T> {
  const told = toldPassword(sources);
  const { terminal } = sources;
  if (terminal === undefined || (told !== undefined && sources.user !== undefined)) {
    return await login({ account: sources.user ?? missing("user name"), password: told ?? missing("password") });
  }
  let account = sources.user;
  for (let tries = 1;; tries++) {
    if (sources.user === undefined) account = askAccount(terminal, account);
    const password = told ?? terminal.askSecret(`Password of ${account}:`) ?? missing("password");
    try {
      return await login({ account: account!, password });
    } catch (error) {
      const isWrong = error instanceof ShoalError && error.code === "denied";
      if (!isWrong || tries >= triesMax) throw error;
      terminal.say(`${escapeText(error.message)}. Try again`);
    }
  }
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
    hint: what === "password"
      ? "Give it with --password-file FILE, SHOAL_PASSWORD_FILE or SHOAL_PASSWORD, or run this at a terminal"
      : "Give it with --user NAME or SHOAL_USER, or run this at a terminal",
  });
}
