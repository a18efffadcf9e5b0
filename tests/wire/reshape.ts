/** reshape: payloads, frames and datagrams as other releases write them: with more items, fewer, or another number in front. */

import type { Bytes } from "../../lib/core/bytes.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../../lib/wire/cbor.ts";

type Change = (items: readonly CborValue[]) => readonly CborValue[];

/** An item that no record has, of a kind that none expects. */
export const futureItem: CborValue = ["future", [1, null]];

export const withMore: Change = (items) => [...items, futureItem];
export const withFewer: Change = (items) => items.slice(0, -1);

/** A payload with other items. */
export function reshape(payload: Uint8Array, change: Change): Bytes {
  const decoded = decodeCbor(payload, { fromCbor: (value) => value as readonly CborValue[] });
  if (!decoded.ok) throw new Error(decoded.error);
  return encodeCbor(change(decoded.value));
}

/** A CBOR frame with other items. */
export function reshapeFrame(frame: Uint8Array, change: Change): Bytes {
  const payload = reshape(frame.subarray(5), change);
  const changed = new Uint8Array(5 + payload.length);
  new DataView(changed.buffer).setUint32(0, payload.length);
  changed[4] = frame[4]!;
  changed.set(payload, 5);
  return changed;
}

/** START with other items in its body. */
export function reshapeStart(start: Uint8Array, change: Change): Bytes {
  const view = new DataView(start.buffer, start.byteOffset);
  const body = reshape(start.subarray(44, 44 + view.getUint16(42)), change);
  const changed = new Uint8Array(start.length);
  changed.set(start.subarray(0, 44));
  new DataView(changed.buffer).setUint16(42, body.length);
  changed.set(body, 44);
  return changed;
}
