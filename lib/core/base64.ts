/** base64: bytes as unpadded base64url, the text form that the OPAQUE library speaks. (pure) */

import type { Bytes } from "./bytes.ts";

/** Formats bytes as unpadded base64url. */
export function formatBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Parses unpadded base64url. @throws {SyntaxError} If it is none. */
export function parseBase64Url(text: string): Bytes {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}
