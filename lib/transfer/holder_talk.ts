/**
 * holder_talk: what a fetching side says to a holder and hears from it, whatever it fetches: CHALLENGE and HELLO, the next frame, and what is
 * wrong with one. Law: who said it is named.  Spec: PROTOCOL.md "Transfer".  (I/O: over a stream that is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import {
  ContentError,
  errorCodeFromWire,
  NetworkError,
  otherVersions,
  ProtocolError,
  RemoteError,
  ShoalError,
} from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { ByteStream } from "../core/transport.ts";
import { protocolVersion } from "../core/version.ts";
import type { SigningKey } from "../session/device_key.ts";
import { proveTransfer } from "../session/proofs.ts";
import { encodeFrame } from "../wire/frame.ts";
import { FrameStream, type IncomingFrame } from "./frame_stream.ts";
import type { Timers } from "./timers.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

/** Who fetches: shown to holders. */
export interface FetchIdentity {
  readonly deviceKey: SigningKey;
  readonly deviceId: DeviceId;
  readonly accountKey: Bytes;
  /** The account key's signature of this device. */
  readonly deviceSignature: Bytes;
}

/** Any frame but REFUSED, which ends the connection. */
export type HolderFrame = Exclude<IncomingFrame, { readonly kind: "refused" }>;

/** When heartbeats go out to a holder that has not said CHALLENGE, in milliseconds since the one before. */
const nudgeMinMs = 1;
const nudgeMaxMs = 32;

/** Talks over a stream until it is done, or is stopped; closes the stream. @throws {ShoalError} `interrupted`, if `signal` is aborted. */
export async function talkOver(
  stream: ByteStream,
  { timers, signal }: { readonly timers: Timers; readonly signal: AbortSignal },
  talk: (frames: FrameStream) => Promise<void>,
): Promise<void> {
  const frames = new FrameStream(stream, { timers, idleMs: limits.progressMs });
  const stop = () => frames.fail(interrupted());
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    await talk(frames);
  } finally {
    signal.removeEventListener("abort", stop);
    frames.close();
  }
}

/** CHALLENGE and HELLO. @throws {ShoalError} What broke, what it said no to, or which rule it broke. */
export async function introduce(
  frames: FrameStream,
  { holder, identity, timers }: {
    readonly holder: VerifiedHolder;
    readonly identity: FetchIdentity;
    readonly timers: Timers;
  },
): Promise<void> {
  const endNudges = nudge(frames, timers);
  const challenge = await nextFrame(frames, holder).finally(endNudges);
  if (challenge.kind !== "challenge") throw broken(holder, "its first frame is not CHALLENGE");
  if (challenge.version !== protocolVersion) {
    throw otherVersions(`fetch from ${nameOf(holder)}`, "that peer", [challenge.version], protocolVersion);
  }
  const { deviceKey, deviceId, accountKey, deviceSignature } = identity;
  const { ticket } = holder;
  const proof = proveTransfer(deviceKey, holder.certificateHash, challenge.nonce, ticket);
  await frames.write(encodeFrame({ kind: "hello", ticket, deviceId, accountKey, deviceSignature, proof }));
}

/**
 * Sends heartbeats until the answer ends it. The platform cannot turn Nagle's algorithm off on an accepted TLS connection: the holder's
 * CHALLENGE waits there until what TLS sent before it is acknowledged, and this side's system puts that off for 40 ms unless bytes go
 * out that carry it. When it must go out depends on the round trip, hence several, each after twice the time. 44 ms become 3 on loopback.
 */
function nudge(frames: FrameStream, timers: Timers): () => void {
  let afterMs = nudgeMinMs;
  let cancel = () => {};
  const beat = () => {
    acknowledge(frames);
    if (afterMs > nudgeMaxMs) return;
    cancel = timers.start(afterMs, beat);
    afterMs *= 2;
  };
  beat();
  return () => cancel();
}

/** Sends a byte that carries the acknowledgement of what has come. */
export function acknowledge(frames: FrameStream): void {
  frames.write(encodeFrame({ kind: "heartbeat" })).catch(() => {
    // Whoever waits for the next frame meets the same failure.
  });
}

/** The next frame, unless the holder closed or refused. @throws {ShoalError} What broke, what it said no to, or which rule it broke. */
export async function nextFrame(frames: FrameStream, holder: VerifiedHolder): Promise<HolderFrame> {
  const frame = await frames.readFrame();
  if (frame === undefined) throw new NetworkError(`Cannot go on with ${nameOf(holder)}: it closed the connection`);
  if (frame.kind !== "refused") return frame;
  const { text, retryAfterMs } = frame;
  throw new RemoteError(errorCodeFromWire(frame.code), `Cannot fetch from ${nameOf(holder)}: it says "${text}"`, {
    retryAfterMs,
  });
}

/** The end of a connection whose fetch was stopped. */
export function interrupted(): ShoalError {
  return new ShoalError("interrupted", "Cannot go on with a fetch: it was interrupted");
}

/** How a holder is called in messages. */
function nameOf({ account, label }: VerifiedHolder): string {
  return `${account} (${label})`;
}

export function broken(holder: VerifiedHolder, reason: string): ProtocolError {
  return new ProtocolError(`Cannot fetch from ${nameOf(holder)}: ${reason}`);
}

export function lied(content: Content, holder: VerifiedHolder, reason: string, piece?: number): ContentError {
  return new ContentError("integrity", `Cannot use what ${nameOf(holder)} sent: ${reason}`, {
    contentId: content.id,
    holder: nameOf(holder),
    ...(piece === undefined ? {} : { piece }),
  });
}
