/**
 * have_sender: says what there is of a content: all, or which pieces, and each further one while the connection stands. Law: what comes
 * while the line is busy goes out together, so that who takes little makes nobody hold much.
 * Spec: PROTOCOL.md "HAVE".  (I/O: over a stream that is passed in)
 */

import { type Bytes, concatBytes } from "../core/bytes.ts";
import { encodeFrame, type HavePieces } from "../wire/frame.ts";
import type { PartialContent } from "./admission.ts";
import type { FrameStream } from "./frame_stream.ts";

/** Says what there is, behind the layer's last slice, and what there is more until the answer is disposed. */
export async function sendHave(
  frames: FrameStream,
  lastSlice: Bytes,
  partial: PartialContent | undefined,
): Promise<Disposable | undefined> {
  const encode = (pieces: HavePieces | undefined) => encodeFrame({ kind: "have", pieces });
  if (partial === undefined) {
    await frames.write(concatBytes(lastSlice, encode(undefined)));
    return undefined;
  }
  let isSending = true;
  let fresh: number[] = [];
  const sendFresh = async () => {
    while (fresh.length > 0) {
      const pieces = fresh;
      fresh = [];
      await frames.write(encode(bitsOf(pieces)));
    }
    isSending = false;
  };
  const watching = partial.watch((piece) => {
    fresh.push(piece);
    if (isSending) return;
    isSending = true;
    sendFresh().catch(() => {
      // Whoever sends the pieces meets the same failure.
    });
  });
  try {
    await frames.write(concatBytes(lastSlice, encode({ first: 0, bits: partial.has })));
    await sendFresh();
    return watching;
  } catch (error) {
    watching[Symbol.dispose]();
    throw error;
  }
}

function bitsOf(pieces: readonly number[]): HavePieces {
  const first = pieces.reduce((least, piece) => Math.min(least, piece));
  const last = pieces.reduce((most, piece) => Math.max(most, piece));
  const bits = new Uint8Array(Math.ceil((last - first + 1) / 8));
  for (const piece of pieces) bits[(piece - first) >> 3]! |= 0x80 >> ((piece - first) & 7);
  return { first, bits };
}
