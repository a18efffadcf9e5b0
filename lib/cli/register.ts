/**
 * register: name and password of an account that is to be made, from where people and scripts put them. Laws: 1) a password never comes
 * from argv, is never shown, and a person types it twice;  2) a name that cannot be had is asked for again, where somebody can answer.
 * Spec: docs/cli.md "Logging in".  (the terminal and reading are passed in)
 */

import { RemoteError, UsageError } from "../core/errors.ts";
import { escapeText } from "../core/escape.ts";
import type { LoginSources } from "./login_prompt.ts";

const triesMax = 5;

export interface NewAccount {
  readonly account: string;
  readonly password: string;
}

type Sources = Pick<LoginSources, "user" | "passwordFile" | "env" | "readSecret" | "terminal">;

/**
 * Makes an account of what was told or is typed.
 * @param make Tries to; it returns the name as it is spelled.
 * @throws {UsageError} If something is missing and nobody can answer.
 * @throws {ShoalError} What the last try failed with.
 */
export async function register(sources: Sources, make: (wanted: NewAccount) => Promise<string>): Promise<NewAccount> {
  const { user, terminal } = sources;
  let account = user ?? askName(sources);
  const password = told(sources) ?? askTwice(sources);
  for (let tries = 1;; tries++) {
    try {
      return { account: await make({ account, password }), password };
    } catch (error) {
      // What is wrong with the password is found here, and no other name mends it.
      const isOfName = error instanceof RemoteError && (error.code === "nameTaken" || error.code === "usage");
      if (!isOfName || terminal === undefined || user !== undefined || tries >= triesMax) throw error;
      terminal.say(escapeText(error.message));
      account = askName(sources);
    }
  }
}

function askName({ terminal }: Sources): string {
  const answer = terminal?.ask("User name you want:")?.trim();
  return answer || missing("user name", "Give it with --user NAME or SHOAL_USER, or run this at a terminal");
}

function told({ passwordFile, env, readSecret }: Sources): string | undefined {
  return passwordFile === undefined ? env("SHOAL_PASSWORD") || undefined : readSecret(passwordFile);
}

function askTwice({ terminal }: Sources): string {
  for (let tries = 1; terminal !== undefined; tries++) {
    const first = terminal.askSecret("A password for it:");
    if (first === undefined || first === "") break;
    if (terminal.askSecret("The same again:") === first) return first;
    if (tries >= triesMax) throw new UsageError("Cannot register: the two passwords differ");
    terminal.say("The two differ. Again");
  }
  return missing(
    "password",
    "Give it with --password-file FILE, SHOAL_PASSWORD_FILE or SHOAL_PASSWORD, or run this at a terminal",
  );
}

function missing(what: string, hint: string): never {
  throw new UsageError(`Cannot register: the ${what} is missing`, { hint });
}
