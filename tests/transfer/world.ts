/** world: a holder and a fetching side with real keys and tickets, over contents in memory, for tests of transfers. */

import type { Bytes } from "../../lib/core/bytes.ts";
import { ContentError } from "../../lib/core/errors.ts";
import { type Content, contentKey, deviceIdFrom } from "../../lib/core/ids.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { type Manifest, manifestFrom } from "../../lib/content/manifest.ts";
import { LayerBuilder } from "../../lib/content/merkle.ts";
import { certificateHash, makeCertificate } from "../../lib/net/certificate.ts";
import { type SigningKey, signingKeyFrom } from "../../lib/session/device_key.ts";
import { signDevice } from "../../lib/session/proofs.ts";
import { sealTicket, ticketDay, ticketKeyFor, ticketKeysFor } from "../../lib/session/ticket.ts";
import type { Ticket } from "../../lib/wire/ticket.ts";
import { downloadFrom, type DownloadOptions } from "../../lib/transfer/download.ts";
import type { FetchIdentity } from "../../lib/transfer/holder_talk.ts";
import { PiecePicker, type Seat } from "../../lib/transfer/piece_picker.ts";
import { RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import type { ServedContent } from "../../lib/transfer/admission.ts";
import type { RunningUpload, UploadDeps } from "../../lib/transfer/upload.ts";
import { AskedLately } from "../../lib/transfer/asked_lately.ts";
import { UploadSlots } from "../../lib/transfer/upload_slots.ts";
import type { VerifiedHolder } from "../../lib/transfer/verified_holder.ts";
import { FakeTimers } from "./fake_timers.ts";

export const nowMs = 1_700_000_000_000;
export const ticketRoot = new Uint8Array(32).fill(9);
const keyOf = (fill: number) => signingKeyFrom(new Uint8Array(32).fill(fill));
export const holderKey = keyOf(1);
export const fetcherKey = keyOf(2);
export const accountKey = keyOf(3);
export const otherKey = keyOf(4);
export const holderId = deviceIdFrom(holderKey.publicKey);
export const fetcherId = deviceIdFrom(fetcherKey.publicKey);
export const holderCertificate = await makeCertificate(holderKey);

let randomCounter = 0;
/** Different bytes each time, the same in each run. */
export function random(size: number): Bytes {
  const bytes = new Uint8Array(size).fill(++randomCounter);
  bytes[0] = randomCounter >> 8;
  return bytes;
}

/** A file in memory. */
export interface MemoryFile {
  readonly bytes: Bytes;
  readonly content: Content;
  readonly layer: Bytes;
}

/** Makes a file of bytes that do not repeat, the same for the same seed. */
export function makeFile(size: number, seed = 1): MemoryFile {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = state;
  }
  const bytes = new Uint8Array(words.buffer, 0, size);
  const builder = new LayerBuilder(size);
  for (let at = 0; at < size; at += builder.stepBytes) builder.add(bytes.subarray(at, at + builder.stepBytes));
  return { bytes, ...builder.finish() };
}

/** The checked manifest of such a file. */
export function manifestOf(file: MemoryFile): Manifest {
  const manifest = manifestFrom(file.content, file.layer);
  if (!manifest.ok) throw new Error(manifest.error);
  return manifest.value;
}

/** Seals a ticket as the coordinator does, for this holder and fetching device unless told otherwise. */
export function makeTicket(content: Content, changes: Partial<Ticket> = {}, holder = holderId): Bytes {
  const day = ticketDay(nowMs);
  return sealTicket(ticketKeyFor(ticketRoot, day, holder), day, random(12), {
    account: "fetcher",
    deviceId: fetcherId,
    id: content.id,
    bytes: content.bytes,
    share: 1,
    expiresAtMs: nowMs + 600_000,
    ...changes,
  });
}

export const identity: FetchIdentity = {
  deviceKey: fetcherKey,
  deviceId: fetcherId,
  accountKey: accountKey.publicKey,
  deviceSignature: signDevice(accountKey, "fetcher", fetcherId),
};

/** The holder as a LOCATE told it and the checks passed it. */
export function makeHolder(ticket: Bytes, changes: Partial<VerifiedHolder> = {}): VerifiedHolder {
  return {
    account: "holder",
    label: "nas",
    deviceId: holderId,
    certificate: holderCertificate,
    certificateHash: certificateHash(holderCertificate),
    endpoints: [{ ip: "127.0.0.1", port: 1024 }],
    ticket,
    whole: true,
    ...changes,
  };
}

/** A holder's library: contents in memory, each of which can change or be taken away. */
export class MemoryLibrary {
  readonly #files = new Map<string, MemoryFile>();
  readonly changed = new Set<string>();
  /** Called before each read. */
  beforeRead: (offset: number) => void = () => {};
  openCount = 0;

  constructor(...files: readonly MemoryFile[]) {
    for (const file of files) this.#files.set(contentKey(file.content), file);
  }

  open(content: Content): ServedContent | undefined {
    const file = this.#files.get(contentKey(content));
    if (file === undefined) return undefined;
    this.openCount++;
    return {
      readLayer: () => file.layer,
      read: (offset, buffer) => {
        this.beforeRead(offset);
        if (this.changed.has(content.id)) {
          throw new ContentError("changed", "Cannot serve /home/secret/path: it is no longer the file that was shared");
        }
        if (offset + buffer.length > file.bytes.length) throw new RangeError("Beyond the end");
        buffer.set(file.bytes.subarray(offset, offset + buffer.length));
      },
      [Symbol.dispose]: () => void this.openCount--,
    };
  }
}

export interface HolderSide extends UploadDeps {
  readonly timers: FakeTimers;
  readonly changes: Content[];
  readonly uploads: Set<RunningUpload>;
}

/** What a serving device has. */
export function makeDeps(library: MemoryLibrary, changes: Partial<UploadDeps> = {}): HolderSide {
  const changesTold: Content[] = [];
  const uploads = new Set<RunningUpload>();
  const timers = new FakeTimers();
  const limiter = new RateLimiter(timers);
  return {
    certificateHash: certificateHash(holderCertificate),
    ticketKeys: () => ticketKeysFor(ticketRoot, nowMs, holderId),
    coordinatorNowMs: () => nowMs,
    checkAccountKey: () => "remembered",
    openContent: (content) => library.open(content),
    onChanged: (content) => void changesTold.push(content),
    register(upload) {
      uploads.add(upload);
      return { [Symbol.dispose]: () => void uploads.delete(upload) };
    },
    isRevoked: () => false,
    slots: new UploadSlots(timers),
    asked: new AskedLately(),
    openFlow: (account) => limiter.open(account),
    random,
    timers,
    ...changes,
    changes: changesTold,
    uploads,
  } as HolderSide;
}

/** Where pieces land in memory, and what was asked. */
export class MemorySink {
  readonly bytes: Bytes;
  readonly asks: number[] = [];
  readonly written: number[] = [];
  readonly #manifest: Manifest;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.bytes = new Uint8Array(manifest.content.bytes);
  }

  asked(index: number): void {
    this.asks.push(index);
  }

  writeVerified(index: number, piece: Uint8Array): void {
    if (!this.asks.includes(index)) throw new Error(`Piece ${index} was written and not noted as asked`);
    if (this.written.includes(index)) throw new Error(`Piece ${index} was written twice`);
    this.written.push(index);
    this.bytes.set(piece, this.#manifest.pieceRange(index).offset);
  }
}

/** The only seat of a fetch of these pieces, in order; else of all. */
export function seatFor(pieceCount: number, missing?: readonly number[]): Seat {
  const all = Array.from({ length: pieceCount }, (_, index) => index);
  return new PiecePicker({ pieceCount, missing: missing ?? all, draw: () => 0, nowMs: () => 0 }).join();
}

/** One download over a stream, into memory. */
export function startDownload(
  stream: ByteStream,
  content: Content,
  changes: Partial<DownloadOptions> & { readonly ticket?: Bytes; readonly missing?: readonly number[] } = {},
): { readonly done: Promise<void>; sink: () => MemorySink; queue: () => Seat; readonly received: number[] } {
  let sink: MemorySink | undefined;
  let seat: Seat | undefined;
  const received: number[] = [];
  const done = downloadFrom(stream, {
    content,
    holder: makeHolder(changes.ticket ?? makeTicket(content)),
    identity,
    begin: (manifest) => {
      sink = new MemorySink(manifest);
      seat = seatFor(manifest.pieceCount, changes.missing);
      return Promise.resolve({ source: seat, sink });
    },
    timers: new FakeTimers(),
    signal: new AbortController().signal,
    onReceived: (bytes) => void received.push(bytes),
    ...changes,
    onPiece: (piece, bytes, ...more) => {
      seat?.delivered(piece);
      changes.onPiece?.(piece, bytes, ...more);
    },
  });
  return { done, sink: () => sink!, queue: () => seat!, received };
}

/** The identity of another device, or of ours under another account key. */
export function identityOf(device: SigningKey, account: SigningKey, name = "fetcher"): FetchIdentity {
  const deviceId = deviceIdFrom(device.publicKey);
  return {
    deviceKey: device,
    deviceId,
    accountKey: account.publicKey,
    deviceSignature: signDevice(account, name, deviceId),
  };
}
