/**
 * new_password: a password that is to be set, from where people and scripts put it. Laws: 1) never from argv, never shown;  2) a person
 * types it twice, since nobody sees a slip.  (reads files and the terminal)
 */

import { promptSecret } from "@std/cli";
import { UsageError } from "../core/errors.ts";
import { readPasswordFile } from "./password_file.ts";

/**
 * Reads the password: from a file, from SHOAL_PASSWORD, from a person, or from the first line of a pipe.
 * @param question What a person is asked, without its colon.
 * @throws {UsageError} If there is none, or the two that were typed differ.
 * @throws {StoreError} If the file cannot be read.
 */
export async function readNewPassword(
  { file, env, question }: {
    readonly file: string | undefined;
    readonly env: (name: string) => string | undefined;
    readonly question: string;
  },
): Promise<string> {
  if (file !== undefined) return readPasswordFile(file);
  const fromEnv = env("SHOAL_PASSWORD");
  if (fromEnv !== undefined && fromEnv !== "") return fromEnv;
  if (!Deno.stdin.isTerminal()) return firstLine(await new Response(Deno.stdin.readable).text());
  const first = promptSecret(`${question}:`, { mask: "" }) ?? "";
  if (first !== (promptSecret("The same again:", { mask: "" }) ?? "")) {
    throw new UsageError("Cannot set the password: the two differ", { hint: "Run the command again" });
  }
  return first;
}

function firstLine(text: string): string {
  const line = text.split("\n", 1)[0]!.replace(/\r$/, "");
  if (line !== "") return line;
  throw new UsageError("Cannot set the password: there is none", {
    hint:
      "Give it with --password-file FILE, SHOAL_PASSWORD_FILE or SHOAL_PASSWORD, or as the first line of standard input",
  });
}
