/**
 * open_parts: the contents that are being fetched, for others who fetch them too. Laws: 1) only pieces that are verified and written are
 * served;  2) a part is served while its fetch runs, and no longer.  (I/O: reads the part files)
 */

import { ShoalError } from "../core/errors.ts";
import { type Content, contentKey } from "../core/ids.ts";
import type { PartFile } from "../content/part_file.ts";
import type { ServedContent } from "./admission.ts";

export class OpenParts {
  readonly #parts = new Map<string, PartFile>();

  /** Lets a part be served until what it answers is disposed. The first of a content counts. */
  add(part: PartFile): Disposable {
    const key = contentKey(part.manifest.content);
    if (this.#parts.has(key)) return { [Symbol.dispose]: () => {} };
    this.#parts.set(key, part);
    return { [Symbol.dispose]: () => void this.#parts.delete(key) };
  }

  /** Opens what there is of a content; undefined if it is not being fetched. */
  open(content: Content): ServedContent | undefined {
    const key = contentKey(content);
    const part = this.#parts.get(key);
    if (part === undefined) return undefined;
    const { layer, pieceBytes } = part.manifest;
    return {
      readLayer: () => layer,
      partial: { has: part.bitfield(), watch: (onPiece) => part.watch(onPiece) },
      read: (offset, buffer) => {
        if (part.isClosed || this.#parts.get(key) !== part) throw gone();
        for (let at = 0; at < buffer.length;) {
          const piece = Math.floor((offset + at) / pieceBytes);
          const within = offset + at - piece * pieceBytes;
          const bytes = Math.min(buffer.length - at, pieceBytes - within);
          if (!part.has(piece)) throw gone();
          part.read(piece, within, buffer.subarray(at, at + bytes));
          at += bytes;
        }
      },
      [Symbol.dispose]: () => {},
    };
  }
}

function gone(): ShoalError {
  return new ShoalError("notFound", "Cannot serve this: it is not here, or not here any more");
}
