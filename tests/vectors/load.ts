/**
 * load: reads annotated hex. A line that is not indented names a vector; the indented lines under it are its bytes: hex, in any
 * grouping, `xx*n` for n times the byte xx; `#` begins a remark.
 */

import { type Bytes, concatBytes, parseHex } from "../../lib/core/bytes.ts";

/** Reads a file of this folder: bytes by name. @throws {Error} If a line is malformed or a name stands twice. */
export function loadVectors(file: string): ReadonlyMap<string, Bytes> {
  const vectors = new Map<string, Bytes>();
  let name = "";
  for (const line of Deno.readTextFileSync(new URL(file, import.meta.url)).split("\n")) {
    const text = line.replace(/#.*$/, "").trimEnd();
    if (text === "") continue;
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

function parseToken(token: string): Bytes {
  const [hex = "", times = "1"] = token.split("*");
  const bytes = parseHex(hex);
  if (bytes === undefined) throw new Error(`Not hex: ${token}`);
  return concatBytes(...Array.from({ length: Number(times) }, () => bytes));
}
