/**
 * part_file_process: another process that opens the download of `pattern(bytes)` to `folder/name`.
 * Arguments: folder, name, journal folder, bytes, and what it then does: "crash" asks for pieces 0 … 3, writes 1 and 3
 * and is killed; "try" prints the code of the error that it met, or "open".
 */

import { ShoalError } from "../../lib/core/errors.ts";
import { PartFile } from "../../lib/content/part_file.ts";
import { manifestOf, pattern, safe } from "./fixtures.ts";

const [folder, name, journalFolder, bytes, action] = Deno.args as [string, string, string, string, string];
const file = pattern(Number(bytes));
const manifest = manifestOf(file);
try {
  const opened = await PartFile.open({ folder, name: safe(name), manifest, journalFolder, onExists: "overwrite" });
  if (action === "crash" && opened.kind === "part") {
    for (const index of [0, 1, 2, 3]) opened.part.asked(index);
    for (const index of [1, 3]) {
      const range = manifest.pieceRange(index);
      opened.part.writeVerified(index, file.subarray(range.offset, range.offset + range.bytes));
    }
    Deno.kill(Deno.pid, "SIGKILL");
    await new Promise(() => setInterval(() => {}, 1000));
  }
  console.log("open");
} catch (error) {
  if (!(error instanceof ShoalError)) throw error;
  console.log(error.code);
}
