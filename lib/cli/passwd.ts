/**
 * passwd: the old password and the new one, from where people and scripts put them. Law: neither comes from argv, neither is shown, and a
 * person types the new one twice.  Spec: docs/cli.md "Logging in".  (the terminal and reading are passed in)
 */

import { UsageError } from "../core/errors.ts";
import type { PasswordChange } from "../peer/commands.ts";
import type { LoginSources } from "./login_prompt.ts";

export interface PasswdSources extends Pick<LoginSources, "passwordFile" | "env" | "readSecret" | "terminal"> {
  /** What --new-password-file, environment or config say; absolute. */
  readonly newPasswordFile: string | undefined;
}

/**
 * Reads both passwords.
 * @throws {UsageError} If one is missing and nobody can answer, or the new ones that were typed differ.
 */
export function readPasswords(sources: PasswdSources): Pick<PasswordChange, "oldPassword" | "newPassword"> {
  const { passwordFile, newPasswordFile, env, readSecret, terminal } = sources;
  const from = (file: string | undefined, variable: string) =>
    file === undefined ? env(variable) || undefined : readSecret(file);
  const oldPassword = from(passwordFile, "SHOAL_PASSWORD") ?? terminal?.askSecret("Your password now:") ??
    missing("one of now", "--password-file FILE or SHOAL_PASSWORD");
  const told = from(newPasswordFile, "SHOAL_NEW_PASSWORD");
  if (told !== undefined) return { oldPassword, newPassword: told };
  const newPassword = terminal?.askSecret("The new one:") ??
    missing("new one", "--new-password-file FILE or SHOAL_NEW_PASSWORD");
  if (terminal?.askSecret("The same again:") === newPassword) return { oldPassword, newPassword };
  throw new UsageError("Cannot change the password: the two new ones differ", { hint: "Run the command again" });
}

function missing(which: string, how: string): never {
  throw new UsageError(`Cannot change the password: the ${which} is missing`, {
    hint: `Give it with ${how}, or run this at a terminal`,
  });
}
