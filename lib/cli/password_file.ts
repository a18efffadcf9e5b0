/** password_file: a password out of a file that holds nothing else. Container secrets are often readable by all in their own
 * namespace, so the file's mode is its owner's business.  (I/O: one file) */

import { storeErrorFrom, UsageError } from "../core/errors.ts";

/**
 * Reads the password; one line end at the end is not part of it.
 * @throws {StoreError} If the file cannot be read.
 * @throws {UsageError} If it is empty or has several lines.
 */
export function readPasswordFile(path: string): string {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw storeErrorFrom(error, "read the password file", path);
  }
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw new UsageError(`Cannot use the password file ${path}: it is empty`);
  if (/[\r\n]/.test(password)) {
    throw new UsageError(`Cannot use the password file ${path}: it has more than one line`);
  }
  return password;
}
