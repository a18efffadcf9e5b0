/**
 * admission: who may fetch what of this device: CHALLENGE and HELLO, the tickets, and opening what they name. Laws: 1) before the HELLO is
 * proven nothing is read from the library and nothing but the CHALLENGE is sent;  2) who may fetch is said by the ticket, which this
 * device's keys alone open, who asks by the device key's signature over this connection's nonce, and whose device it is by the account
 * key;  3) what is told of a refusal tells no path.  Spec: PROTOCOL.md "The holder's states".  (I/O: by what is passed in)
 */

import { bytesEqual } from "../core/bytes.ts";
import { type ErrorCode, ProtocolError, ShoalError, StoreError, TimeoutError } from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { protocolVersion } from "../core/version.ts";
import { verifyDevice, verifyTransfer } from "../session/proofs.ts";
import type { Random } from "../session/random.ts";
import { hashSet, openSetTicket, openTicket } from "../session/ticket.ts";
import { encodeFrame, type Hello, type TakenSet } from "../wire/frame.ts";
import type { TicketKey } from "../wire/message.ts";
import type { SetTicket, Ticket } from "../wire/ticket.ts";
import type { FrameStream } from "./frame_stream.ts";
import type { Bitfield } from "./piece_picker.ts";
import type { Timers } from "./timers.ts";

/** What this peer knows of an account's key. */
export type KeyTrust = "remembered" | "new" | "changed";

/** A shared content that is open to be served. */
export interface ServedContent extends Disposable {
  /** Its piece layer, which MANIFEST carries; undefined, if it is shared no more. */
  readLayer(): Uint8Array | undefined;
  /** Which pieces there are, where it is still being fetched; undefined: all. */
  readonly partial?: PartialContent | undefined;
  /**
   * Reads into all of `buffer`.
   * @throws {ContentError} With code `changed`, if the file is no longer what was shared; the buffer's bytes are then void.
   */
  read(offset: number, buffer: Uint8Array): void;
}

/** A content of which there is a part. */
export interface PartialContent {
  /** A copy. */
  readonly has: Bitfield;
  /** Tells of each further piece, until what it answers is disposed. */
  watch(onPiece: (piece: number) => void): Disposable;
}

/** A content that a TAKE asks for: whole, and of one piece. */
export interface TakenContent {
  readonly bytes: number;
  readonly source: ServedContent;
}

/** Whose a ticket is, and until when. */
type TicketTerms = Pick<Ticket, "deviceId" | "expiresAtMs">;

/** What a SET brought: a ticket that is for its contents, or why they are refused. */
export type SetGrant = SetTicket | ShoalError;

/** A content that a TAKE asks for. */
export interface TakenWish {
  readonly content: Content;
  readonly grant: SetGrant;
}

/** What admitting needs of the rest of the peer. */
export interface AdmissionDeps {
  /** SHA-256 of the certificate that this device's listener shows. */
  readonly certificateHash: Uint8Array;
  /** The keys under which tickets for this device are sealed. */
  readonly ticketKeys: () => readonly TicketKey[];
  readonly coordinatorNowMs: () => number;
  readonly checkAccountKey: (account: string, accountKey: Uint8Array) => KeyTrust;
  /** Opens a content if it is shared now. @throws {ContentError} With code `changed`. */
  readonly openContent: (content: Content) => ServedContent | undefined;
  /** Told when a file turned out not to be what was shared, so that it is announced anew. */
  readonly onChanged: (content: Content) => void;
  /** Whether a ticket was made void before its time. */
  readonly isRevoked: (ticket: TicketTerms) => boolean;
  readonly random: Random;
  readonly timers: Timers;
}

/** CHALLENGE and HELLO: learns who asks for what, and that it may. */
export async function meet(frames: FrameStream, deps: AdmissionDeps): Promise<Ticket> {
  const cancel = deps.timers.start(limits.transferHelloMs, () => {
    const message = `Cannot serve ${frames.remoteName}: no HELLO in ${limits.transferHelloMs} ms`;
    frames.fail(new TimeoutError(message, limits.transferHelloMs, 1));
  });
  try {
    const nonce = deps.random(32);
    await frames.write(encodeFrame({ kind: "challenge", version: protocolVersion, nonce }));
    const hello = await frames.readFrame();
    if (hello?.kind !== "hello") throw new ProtocolError("Cannot serve: the first frame is not HELLO");
    return checkHello(hello, nonce, deps);
  } finally {
    cancel();
  }
}

/** The cheap checks first: without a ticket of ours nobody costs us a signature. */
function checkHello(hello: Hello, nonce: Uint8Array, deps: AdmissionDeps): Ticket {
  const ticket = checkTicket(hello.ticket, hello.deviceId, deps);
  if (!verifyTransfer(hello.deviceId, hello.proof, deps.certificateHash, nonce, hello.ticket)) {
    throw refusal("denied", "a proof that is not of this device and connection");
  }
  if (!verifyDevice(hello.accountKey, hello.deviceSignature, ticket.account, hello.deviceId)) {
    throw refusal("untrusted", "a device that its account has not signed");
  }
  if (deps.checkAccountKey(ticket.account, hello.accountKey) === "changed") {
    throw refusal("untrusted", "the account has another key than the one remembered here");
  }
  return ticket;
}

/** A ticket that this device may use now. @throws {ShoalError} `denied`. */
function checkTicket(sealed: Uint8Array, deviceId: DeviceId, deps: AdmissionDeps): Ticket {
  const opened = openTicket(deps.ticketKeys(), sealed);
  if (!opened.ok) throw refusal("denied", opened.error);
  checkTerms(opened.value, deviceId, deps);
  return opened.value;
}

/** @throws {ShoalError} `denied`, if a ticket is not this device's, or not any more. */
function checkTerms(terms: TicketTerms, deviceId: DeviceId, deps: AdmissionDeps): void {
  if (terms.expiresAtMs <= deps.coordinatorNowMs()) throw refusal("denied", "an expired ticket");
  if (terms.deviceId !== deviceId) throw refusal("denied", "a ticket of another device");
  if (deps.isRevoked(terms)) throw refusal("denied", "the ticket was revoked");
}

/** What we decide; the text goes to the other side, so it tells no paths. */
export function refusal(code: ErrorCode, reason: string, cause?: unknown): ShoalError {
  return new ShoalError(code, `Cannot serve this: ${reason}`, { cause });
}

/** Opens what the ticket names; not shared and never there look the same from outside. */
export function openSource(content: Content, deps: AdmissionDeps): ServedContent {
  const source = guardSource(content, deps, () => deps.openContent(content));
  if (source === undefined) throw refusal("notFound", "it is not shared here");
  return source;
}

/** Runs a step that touches the file, and turns what may go wrong there into what the other side may know. */
function guardSource<T>(content: Content, deps: AdmissionDeps, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    if (error.code === "notFound" && !(error instanceof StoreError)) {
      throw refusal("notFound", "it is not here any more");
    }
    if (error.code !== "changed") throw refusal("io", "the file cannot be read", error);
    deps.onChanged(content);
    throw refusal("changed", "the file is no longer what was shared", error);
  }
}

/** A source whose reading tells what went wrong as the other side may know it. */
export function guardedSource(content: Content, source: ServedContent, deps: AdmissionDeps): ServedContent {
  return {
    readLayer: () => source.readLayer(),
    partial: source.partial,
    read: (offset, buffer) => guardSource(content, deps, () => source.read(offset, buffer)),
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}

/** Opens the ticket of a SET; or answers why not. Expiry and revocation count when a content of it is asked for. */
export function openSet(
  { ticket, contents }: TakenSet,
  account: string,
  deps: Pick<AdmissionDeps, "ticketKeys">,
): SetGrant {
  const opened = openSetTicket(deps.ticketKeys(), ticket);
  if (!opened.ok) return refusal("denied", opened.error);
  if (opened.value.account !== account) return refusal("denied", "a ticket of another account");
  if (!bytesEqual(opened.value.setHash, hashSet(contents))) return refusal("denied", "a ticket for other contents");
  return opened.value;
}

/** Opens a small content that a TAKE asks for; or answers why not. */
export function openTaken(
  { content, grant }: TakenWish,
  { deviceId }: Pick<Ticket, "deviceId">,
  deps: AdmissionDeps,
): TakenContent | ShoalError {
  if (grant instanceof ShoalError) return grant;
  try {
    checkTerms(grant, deviceId, deps);
    const source = openSource(content, deps);
    if (source.partial !== undefined) {
      source[Symbol.dispose]();
      throw refusal("notFound", "it is not whole here");
    }
    return { bytes: content.bytes, source: guardedSource(content, source, deps) };
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    return error;
  }
}
