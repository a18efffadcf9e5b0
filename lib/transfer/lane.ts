/**
 * lane: one connection of a fetch to one holder: dials, proves itself, receives, checks, writes. A lane runs here or on a thread
 * (lane_threads.ts) alike.  (I/O: over the connect that is passed in)
 */

import { NetworkError } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { ByteStream, Endpoint } from "../core/transport.ts";
import type { Manifest } from "../content/manifest.ts";
import type { PartFile } from "../content/part_file.ts";
import { Reuse } from "../content/reuse.ts";
import type { Queued } from "../wire/frame.ts";
import { downloadFrom, type DownloadOptions } from "./download.ts";
import type { FetchIdentity } from "./holder_talk.ts";
import type { PieceSource } from "./piece_receiver.ts";
import type { Bitfield } from "./piece_picker.ts";
import type { Timers } from "./timers.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

/** Dials one endpoint and accepts one certificate; `net`'s connectTls is one. */
export type Connect = (
  options: {
    readonly endpoint: Endpoint;
    readonly certificate: Uint8Array;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
) => Promise<ByteStream>;

/** What a lane is to fetch: pieces as the source says, into the part; no part where nothing is missing. */
export interface LaneWork {
  readonly source: PieceSource;
  readonly part: PartFile | undefined;
  /** Paths of files here that may have blocks of it. */
  readonly alike?: readonly string[] | undefined;
}

export interface LaneOptions {
  readonly content: Content;
  readonly holder: VerifiedHolder;
  readonly identity: FetchIdentity;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** Called with the checked manifest and what the holder has (undefined: all). */
  readonly begin: (manifest: Manifest, has: Bitfield | undefined) => Promise<LaneWork>;
  /** Told that bytes came, verified or not: the holder is alive. */
  readonly onReceived: () => void;
  /** Told of each piece that is verified, written and noted, and how many of its bytes were here already. */
  readonly onPiece: DownloadOptions["onPiece"];
  /** Told of its place in the holder's queue, while it waits there. */
  readonly onQueued?: ((queued: Queued) => void) | undefined;
}

/** Runs one lane until there is no more to fetch. @throws {ShoalError} As `downloadFrom`. */
export type Lane = (options: LaneOptions) => Promise<void>;

/** A lane on the calling thread. */
export function laneHere(connect: Connect): Lane {
  return async (options) => {
    const stream = await dial(options.holder, connect, options.signal);
    using opened = new DisposableStack();
    await downloadFrom(stream, {
      ...options,
      async begin(manifest, has) {
        const { source, part, alike } = await options.begin(manifest, has);
        const reuse = openReuse(alike, manifest);
        if (reuse !== undefined) opened.use(reuse);
        return { source, sink: part ?? noSink, reuse };
      },
    });
  };
}

/** Opens the files that may have blocks of the content, if there are any. */
export function openReuse(paths: readonly string[] | undefined, manifest: Manifest): Reuse | undefined {
  return paths === undefined || paths.length === 0 ? undefined : Reuse.open(paths, manifest);
}

/** Tries the holder's endpoints in turn. @throws {NetworkError} Of the last one. */
export async function dial(
  { endpoints, certificate }: VerifiedHolder,
  connect: Connect,
  signal: AbortSignal,
): Promise<ByteStream> {
  let failure: unknown;
  for (const endpoint of endpoints) {
    try {
      return await connect({ endpoint, certificate, timeoutMs: limits.connectMs, signal });
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Where no piece is missing nothing is written. */
const noSink = {
  asked() {},
  writeVerified() {},
};
