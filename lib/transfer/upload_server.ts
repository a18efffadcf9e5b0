/**
 * upload_server: everybody who fetches from this device at once. Laws: 1) who has not proven itself takes one of few places, and few of
 * one address, and loses it in seconds;  2) the number of uploads is bounded, and one account has but a part of it: above it they are
 * refused, so that they ask others; how many are sent to at once is upload_slots.ts's;  3) what is revoked ends at once and stays out: a
 * ticket given before the revocation opens nothing more.
 * Spec: PROTOCOL.md "Transfer", "REVOKE".  (I/O: over a listener that is passed in)
 */

import { ShoalError } from "../core/errors.ts";
import { type Content, contentKey, type DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { ByteStream } from "../core/transport.ts";
import { AskedLately } from "./asked_lately.ts";
import { type RunningUpload, serveConnection, type UploadDeps } from "./upload.ts";
import { UploadSlots } from "./upload_slots.ts";

/** Where connections come from; `net`'s TlsListener is one. */
export interface Listener {
  /** Waits for the next connection; undefined once closed. */
  accept(): Promise<ByteStream | undefined>;
  close(): void;
}

export interface UploadServerOptions extends Omit<UploadDeps, "register" | "isRevoked" | "slots" | "asked"> {
  /** Closed with the server. */
  readonly listener: Listener;
  /** Told why each connection ended, for the log: undefined if the other side was done. */
  readonly onEnd: (reason: unknown) => void;
}

/** What a REVOKE names; uploads of any of these contents and to any of these devices end. */
export interface Revocation {
  readonly contents: readonly Content[];
  readonly devices: readonly DeviceId[];
}

type RevocableTicket = Parameters<UploadDeps["isRevoked"]>[0];

export class UploadServer {
  readonly #options: UploadServerOptions;
  readonly #slots: UploadSlots;
  readonly #asked = new AskedLately();
  readonly #stop = new AbortController();
  /** With the number of each. */
  readonly #uploads = new Map<RunningUpload, number>();
  #nextNumber = 1;
  /** Connections that have not proven themselves, by address block. */
  readonly #strangers = new Map<string, number>();
  #strangerCount = 0;
  readonly #connections = new Set<Promise<void>>();
  /** Devices whose tickets are void if given before this, in coordinator time. */
  readonly #revokedAtMs = new Map<DeviceId, number>();
  readonly #accepting: Promise<void>;

  /** Begins to serve whoever the listener brings. */
  constructor(options: UploadServerOptions) {
    this.#options = options;
    this.#slots = new UploadSlots(options.timers);
    this.#accepting = this.#acceptAll();
  }

  /** The uploads that run now. */
  get uploads(): readonly RunningUpload[] {
    return [...this.#uploads.keys()];
  }

  /** The same with their numbers, which no other upload of this process has had. */
  get numbered(): ReadonlyMap<RunningUpload, number> {
    return this.#uploads;
  }

  /** Ends uploads at once, and lets no ticket that was given to these devices before start another. */
  revoke({ contents, devices }: Revocation): void {
    const nowMs = this.#options.coordinatorNowMs();
    for (const [device, atMs] of this.#revokedAtMs) {
      // Every ticket from before has expired by itself.
      if (atMs + limits.ticketMs < nowMs) this.#revokedAtMs.delete(device);
    }
    for (const device of devices) this.#revokedAtMs.set(device, nowMs);
    const contentKeys = new Set(contents.map(contentKey));
    for (const upload of this.#uploads.keys()) {
      if (!contentKeys.has(contentKey(upload.content)) && !devices.includes(upload.deviceId)) continue;
      upload.end(new ShoalError("denied", "Cannot go on with an upload: it was revoked"));
    }
  }

  /** Stops listening, ends every upload at once, and waits until all is closed. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#options.listener.close();
    await this.#accepting;
    await Promise.all(this.#connections);
  }

  async #acceptAll(): Promise<void> {
    const { listener } = this.#options;
    for (let stream = await listener.accept(); stream !== undefined; stream = await listener.accept()) {
      if (this.#stop.signal.aborted || !this.#admits(stream)) {
        stream.close();
        continue;
      }
      const connection = this.#serve(stream).finally(() => this.#connections.delete(connection));
      this.#connections.add(connection);
    }
  }

  #admits(stream: ByteStream): boolean {
    const inBlock = this.#strangers.get(addressBlock(stream)) ?? 0;
    return this.#strangerCount < limits.strangersMax && inBlock < limits.strangersPerAddressMax;
  }

  async #serve(stream: ByteStream): Promise<void> {
    const block = addressBlock(stream);
    let isStranger = true;
    this.#strangers.set(block, (this.#strangers.get(block) ?? 0) + 1);
    this.#strangerCount++;
    const met = () => {
      if (!isStranger) return;
      isStranger = false;
      this.#strangerCount--;
      const left = this.#strangers.get(block)! - 1;
      if (left === 0) this.#strangers.delete(block);
      else this.#strangers.set(block, left);
    };
    const register = (upload: RunningUpload) => {
      met();
      return this.#register(upload);
    };
    try {
      const isRevoked = (ticket: RevocableTicket) => this.#isRevoked(ticket);
      const deps = { ...this.#options, slots: this.#slots, asked: this.#asked, register, isRevoked };
      this.#options.onEnd(await serveConnection(stream, deps, this.#stop.signal));
    } catch (error) {
      // A mistake of ours that one connection met must not end the others.
      this.#options.onEnd(error);
    } finally {
      met();
    }
  }

  #isRevoked({ deviceId, expiresAtMs }: RevocableTicket): boolean {
    const revokedAtMs = this.#revokedAtMs.get(deviceId);
    return revokedAtMs !== undefined && expiresAtMs - limits.ticketMs <= revokedAtMs;
  }

  #register(upload: RunningUpload): Disposable | ShoalError {
    if (this.#uploads.size >= limits.uploadsMax) {
      return new ShoalError("busy", "Cannot serve this: too many uploads run already");
    }
    const ofAccount = this.uploads.filter(({ account }) => account === upload.account).length;
    if (ofAccount >= limits.uploadsPerAccountMax) {
      return new ShoalError("busy", "Cannot serve this: too many uploads to this account run already");
    }
    this.#uploads.set(upload, this.#nextNumber++);
    return { [Symbol.dispose]: () => void this.#uploads.delete(upload) };
  }
}

/** What counts as one address: an IPv4 address, or the /64 of an IPv6 one, of which a single machine has 2^64. */
function addressBlock(stream: ByteStream): string {
  const ip = stream.remote?.ip ?? "";
  if (!ip.includes(":")) return ip;
  const [head = "", tail] = ip.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const tailCount = tail === "" ? 0 : tail.split(":").length;
    while (groups.length < 8 - tailCount) groups.push("0");
  }
  return groups.slice(0, 4).join(":");
}
