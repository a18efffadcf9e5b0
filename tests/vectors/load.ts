/**
 * load: reads annotated hex. The first line says which protocol was recorded, `protocol 1`. Of the others one that is not indented names a
 * vector; the indented lines under it are its bytes: hex, in any grouping, `xx*n` for n times the byte xx; `#` begins a remark.
 */

import { type Bytes, concatBytes, parseHex } from "../../lib/core/bytes.ts";
import { protocolVersion } from "../../lib/core/version.ts";

/**
 * Reads a file of this folder: bytes by name.
 * @throws {Error} If another protocol was recorded than this code speaks, a line is malformed or a name stands twice.
 */
export function loadVectors(file: string): ReadonlyMap<string, Bytes> {
  const vectors = new Map<string, Bytes>();
  let name = "";
  for (const text of recordedLines(file)) {
    if (/^\S/.test(text)) {
      name = text;
      if (vectors.has(name)) throw new Error(`${file}: ${name} stands twice`);
      vectors.set(name, new Uint8Array(0));
    } else {
      vectors.set(name, concatBytes(vectors.get(name)!, ...text.trim().split(/\s+/).map(parseToken)));
    }
  }
  return vectors;
}

/**
 * Reads the lines of a file of this folder without remarks.
 * @throws {Error} If another protocol was recorded than this code speaks.
 */
export function recordedLines(file: string): string[] {
  const lines = Deno.readTextFileSync(new URL(file, import.meta.url)).split("\n");
  const [protocol, ...rest] = lines.map((line) => line.replace(/#.*$/, "").trimEnd()).filter((text) => text !== "");
  if (protocol === `protocol ${protocolVersion}`) return rest;
  throw new Error(`${file} begins with "${protocol}", and this code speaks ${protocolVersion}: record it anew`);
}

function parseToken(token: string): Bytes {
  const [hex = "", times = "1"] = token.split("*");
  const bytes = parseHex(hex);
  if (bytes === undefined) throw new Error(`Not hex: ${token}`);
  return concatBytes(...Array.from({ length: Number(times) }, () => bytes));
}
