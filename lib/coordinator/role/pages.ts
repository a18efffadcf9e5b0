/**
 * pages: how many rows of an answer fit one datagram. Laws: 1) sizes are upper bounds, so what fits here is never refused
 * by the encoder;  2) the largest legal row fits.  Spec: PROTOCOL.md "Pages".  (pure)
 */

import { Buffer } from "node:buffer";
import { sealedPayloadBytesMax } from "../../wire/envelope.ts";
import { cursorBytes } from "./cursor.ts";

/** Message head (1), code (2), transaction (9), list head (2), cursor (2 and its bytes). */
const headBytesMax = 16;

/** The bytes of a CBOR head with this argument. */
function headBytes(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x1_0000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}

/** The bytes of a value in an entry: text, a byte string, an unsigned integer, a flag, or a list of such. */
export function sizeOf(value: string | Uint8Array | number | boolean | readonly unknown[]): number {
  if (typeof value === "number") return headBytes(value);
  if (typeof value === "boolean") return 1;
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + sizeOf(one), headBytes(value.length));
  const size = typeof value === "string" ? Buffer.byteLength(value, "utf8") : (value as Uint8Array).length;
  return headBytes(size) + size;
}

/** The bytes of an id, which entries hold as hex and the wire as 32 bytes. */
export const idSize = 34;

/** Gathers entries until the page is full. */
export class Page<T> {
  readonly #entriesMax: number;
  #bytesLeft: number;
  readonly #entries: T[] = [];

  /** `cursorNumbers`, `cursorTextBytes`: in the cursor behind the entries; 0 numbers where there is none. */
  constructor(entriesMax: number, cursorNumbers = 1, cursorTextBytes = 0) {
    this.#entriesMax = entriesMax;
    const cursorSize = cursorNumbers === 0 ? 0 : cursorBytes(cursorNumbers, cursorTextBytes);
    this.#bytesLeft = sealedPayloadBytesMax - headBytesMax - cursorSize;
  }

  get entries(): readonly T[] {
    return this.#entries;
  }

  /** Adds an entry of at most `size` bytes; false if it does not fit any more. */
  add(entry: T, size: number): boolean {
    if (this.#entries.length >= this.#entriesMax || size > this.#bytesLeft) return false;
    this.#bytesLeft -= size;
    this.#entries.push(entry);
    return true;
  }
}
