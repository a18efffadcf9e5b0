/**
 * download: fetches pieces from one holder over one connection, straight from CHALLENGE to the last piece. Laws: 1) the manifest is
 * checked against (id, bytes) before any piece is asked for;  2) a wrong byte names its sender;  3) however it ends, no buffer is in use.
 * Spec: PROTOCOL.md "Transfer".  (I/O: over a stream that is passed in)
 */

import type { ByteStream } from "../core/transport.ts";
import { layerBytesFor, type Manifest, manifestFrom } from "../content/manifest.ts";
import type { FrameStream } from "./frame_stream.ts";
import { broken, type FetchIdentity, introduce, lied, talkOver } from "./holder_talk.ts";
import type { Bitfield } from "./piece_picker.ts";
import { nextWork, PieceReceiver, piecesOf, type PieceWork, type ReceiverOptions } from "./piece_receiver.ts";

export interface DownloadOptions extends ReceiverOptions {
  readonly identity: FetchIdentity;
  /** Called with the checked manifest and what the holder has (undefined: all); answers what to fetch. */
  readonly begin: (manifest: Manifest, has: Bitfield | undefined) => Promise<PieceWork>;
}

/**
 * Fetches pieces until there are none to ask for, or none to be had from this holder for a while; closes the stream.
 * @throws {ContentError} `integrity`: the manifest or a piece is not of this content; the holder is to be blamed.
 * @throws {ProtocolError} The holder broke a rule.
 * @throws {RemoteError} The holder refused, with its code.
 * @throws {NetworkError} The connection broke; another try may help.
 * @throws {StoreError} The disk failed.
 * @throws {ShoalError} `interrupted` if `signal` is aborted.
 */
export async function downloadFrom(stream: ByteStream, options: DownloadOptions): Promise<void> {
  await talkOver(stream, options, async (frames) => {
    await introduce(frames, options);
    const saidHelloAtMs = options.timers.nowMs();
    let answeredAtMs: number | undefined;
    const manifest = await readManifest(frames, {
      ...options,
      onQueued(queued) {
        answeredAtMs ??= options.timers.nowMs();
        options.onQueued?.(queued);
      },
    });
    const roundTripMs = (answeredAtMs ?? options.timers.nowMs()) - saidHelloAtMs;
    const has = await readHave(frames, manifest, options);
    // A copy: the source keeps what it is given.
    const work = await options.begin(manifest, has?.slice());
    await new PieceReceiver(frames, { manifest, has, work, roundTripMs }, options).run();
  });
}

/** MANIFEST, as many slices as the size needs and no byte more. */
async function readManifest(frames: FrameStream, options: DownloadOptions): Promise<Manifest> {
  const { content, holder } = options;
  const layer = new Uint8Array(layerBytesFor(content.bytes));
  for (let filled = 0; filled < layer.length;) {
    const frame = await nextWork(frames, options);
    if (frame.kind !== "manifest" || frame.slice.length === 0) throw broken(holder, "it sent no MANIFEST");
    if (filled + frame.slice.length > layer.length) throw lied(content, holder, "its manifest is too long");
    layer.set(frame.slice, filled);
    filled += frame.slice.length;
  }
  const manifest = manifestFrom(content, layer);
  if (!manifest.ok) throw lied(content, holder, `its manifest is wrong: ${manifest.error}`);
  return manifest.value;
}

/** HAVE: a bitfield that is as long as the file has pieces; undefined: all. */
async function readHave(
  frames: FrameStream,
  { pieceCount }: Manifest,
  options: DownloadOptions,
): Promise<Bitfield | undefined> {
  const frame = await nextWork(frames, options);
  if (frame.kind !== "have") throw broken(options.holder, "it did not say what it has");
  if (frame.pieces === undefined) return undefined;
  const has = new Uint8Array(Math.ceil(pieceCount / 8));
  for (const piece of piecesOf(frame.pieces, pieceCount)) has[piece >> 3]! |= 0x80 >> (piece & 7);
  return has;
}
