/**
 * safe_path: the only way from a name that the network may hold to a relative path on this machine, and the form in
 * which such a name may be shown. Laws: 1) a SafePath stays below the folder it is joined to, on Linux, macOS and
 * Windows alike, and names no device;  2) what is refused is refused with a reason, never mended: only the Unicode form
 * is made NFC, so that one name has one spelling;  3) a name that ends in `.part` is legal; that it never meets a partial
 * file of ours is part_file's concern, which takes over no `.part` that it did not make.
 * Spec: PROTOCOL.md "Names", SECURITY.md.  (pure)
 */

import { Buffer } from "node:buffer";
import { fail, ok, type Result, ShoalError } from "../core/errors.ts";
import { escapeName } from "../core/escape.ts";
import { limits } from "../core/limits.ts";

/** A relative path in NFC with "/" between its components, none of which can lead out of a folder. */
export type SafePath = string & { readonly __brand: "SafePath" };

/**
 * Characters that change how a line reads or ends: C0, DEL and C1 controls, line and paragraph separators, and the
 * marks that turn the direction of text (a name that shows as "exe.txt" and ends in ".exe").
 */
const forbidden = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Windows opens a device for these whatever the folder and the extension; superscript digits count there too. */
const device = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])$/i;

/** Makes a name from the network, or one given by the user, a path below a folder; or says why it cannot be one. */
export function safePath(name: string): Result<SafePath> {
  // Normalising grows text at most threefold; what is far over the limit is not worth the work.
  if (name.length > 4 * limits.nameBytesMax) return fail("it is too long");
  if (!name.isWellFormed() || name.includes("\ufffd")) return fail("it is not valid Unicode");
  const path = name.normalize("NFC");
  if (Buffer.byteLength(path, "utf8") > limits.nameBytesMax) return fail("it is too long");
  if (path === "") return fail("it is empty");
  if (forbidden.test(path)) return fail("it has control or text direction characters");
  if (path.includes("\\")) return fail("it has a backslash");
  if (path.startsWith("/")) return fail("it is an absolute path");
  for (const component of path.split("/")) {
    const reason = componentFault(component);
    if (reason !== undefined) return fail(reason);
  }
  return ok(path as SafePath);
}

/** The error for a refused name, with the name escaped. */
export function unsafeName(name: string, reason: string): ShoalError {
  return new ShoalError("unsafeName", `Cannot use the name "${escapeName(name.slice(0, 200))}": ${reason}`);
}

/**
 * Folds a name to the key under which file systems that ignore case or Unicode form would keep it: two names with one
 * key may overwrite one another.
 */
export function foldName(name: string): string {
  // Upper case first: "ß" and "ẞ" meet at "ss", "ſ" at "s", final sigma at sigma.
  return name.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
}

/** Says what is wrong with one component of a path; undefined if nothing. */
function componentFault(component: string): string | undefined {
  if (component === "") return "it has an empty component";
  if (component === "." || component === "..") return "it leads out of its folder";
  if (/[. ]$/.test(component)) return "it has a component that ends in a dot or a space";
  if (/^[A-Za-z]:/.test(component)) return "it has a drive letter";
  if (Buffer.byteLength(component, "utf8") > limits.nameComponentBytesMax) return "it has a component that is too long";
  if (device.test(component.split(".", 1)[0]!.trimEnd())) return "it names a device";
  return undefined;
}
