/**
 * content_list: small contents one behind the other in few bytes. What a ticket for a set is for is said by the hash of these bytes, so
 * their order counts.  Spec: PROTOCOL.md "Tickets".  (pure)
 *
 *     of each     id 0:32, bytes 32:4 (big-endian)
 */

import { type Bytes, formatHex } from "../core/bytes.ts";
import { type Content, type ContentId, idBytes } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { bytes, type Field, illegal } from "./cbor.ts";

const entryBytes = 36;
const idLength = 32;

/** Encodes 1 to limits.setMax contents of 1 to limits.takenBytesMax bytes. @throws {RangeError} If they are none such. */
export function encodeContentList(contents: readonly Content[]): Bytes {
  const list = new Uint8Array(contents.length * entryBytes);
  const view = new DataView(list.buffer);
  for (const [i, content] of contents.entries()) {
    if (!isListed(content.bytes)) throw new RangeError(`Not a small content: ${content.bytes} bytes`);
    list.set(idBytes(content.id), i * entryBytes);
    view.setUint32(i * entryBytes + idLength, content.bytes);
  }
  return list;
}

const listBytes = bytes(limits.setMax * entryBytes, entryBytes);

/** Small contents, 1 to limits.setMax. */
export const contentList: Field<readonly Content[]> = {
  toCbor: (contents) => listBytes.toCbor(encodeContentList(contents)),
  fromCbor(value) {
    const list = listBytes.fromCbor(value);
    if (list.length % entryBytes !== 0) illegal("not whole contents");
    const view = new DataView(list.buffer, list.byteOffset);
    return Array.from({ length: list.length / entryBytes }, (_, i) => {
      const size = view.getUint32(i * entryBytes + idLength);
      if (!isListed(size)) illegal(`not a small content: ${size} bytes`);
      return { id: formatHex(list.subarray(i * entryBytes, i * entryBytes + idLength)) as ContentId, bytes: size };
    });
  },
};

function isListed(size: number): boolean {
  return size > 0 && size <= limits.takenBytesMax;
}
