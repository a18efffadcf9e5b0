/**
 * session: one device that is logged in, and what the coordinator keeps of it in memory. Laws: 1) `endpoint` is proven:
 * it answered the login's cookie or a challenge;  2) nothing here is written to disk;  3) there are limits.sessionsMax of them, so
 * what most have none of most of the time is made when needed, and bytes lie in one array: one of its own costs 600 bytes more.
 * (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Endpoint } from "../../core/transport.ts";
import { AnswerCache } from "../../session/answer_cache.ts";
import type { Requests } from "../../session/requests.ts";
import { SealedChannel } from "../../session/sealed_channel.ts";
import { ticketDay, ticketKeysFor } from "../../session/ticket.ts";
import { encodeMessage, type Message, reachabilities, type TicketKey } from "../../wire/message.ts";
import type { AddressPlaces, AddressRates } from "./address_rates.ts";
import type { Outbox } from "./outbox.ts";
import type { PasswordChange } from "./passwords.ts";
import type { Standing } from "./standing.ts";
import type { TokenBuckets } from "./token_buckets.ts";

/** What a session is made of. */
export interface SessionStart {
  readonly channel: SealedChannel;
  /** The account's name as the store spells it, and folded. */
  readonly account: string;
  readonly foldedAccount: string;
  readonly standing: Standing;
  /** The store's row number of the device. */
  readonly device: number;
  readonly deviceId: DeviceId;
  readonly label: string;
  readonly certificate: Bytes;
  readonly startedAtMs: number;
  readonly endpoint: Endpoint;
  readonly tcpPort: number;
  readonly enrolled: boolean;
  readonly shareDigest: Bytes;
}

/** A new address that is asked to prove itself. */
export interface PathChallenge {
  readonly endpoint: Endpoint;
  readonly token: Bytes;
  /** When it was sent last; -Infinity while too little has come from there. */
  sentAtMs: number;
  /** Bytes that came from there and were not matched by bytes to there. */
  creditBytes: number;
}

const digestBytes = 32;
const keyBytes = 32;
/** Where things are in a session's bytes; the channel's own state is first. */
const digestAt = SealedChannel.stateBytes;
const ticketKeysAt = digestAt + digestBytes;
const certificateAt = ticketKeysAt + 3 * keyBytes;

export class Session {
  readonly id: bigint;
  readonly channel: SealedChannel;
  readonly account: string;
  readonly foldedAccount: string;
  /** What the account may do, one object for all its sessions. */
  readonly standing: Standing;
  readonly device: number;
  readonly deviceId: DeviceId;
  readonly label: string;
  readonly startedAtMs: number;
  endpoint: Endpoint;
  challenge: PathChallenge | undefined;
  /** `left`: logged out, lingers to repeat its answer. `ended`: out of the table. */
  state: "online" | "away" | "left" | "ended" = "online";
  /** When the last authentic datagram came. */
  heardAtMs: number;
  leftAtMs = Infinity;
  /** Whether the stored account key has signed this device. */
  enrolled: boolean;

  tcpPort: number;
  reachable: typeof reachabilities[number] = "unknown";
  /** The endpoint that is being dialled; its answer counts only if it is still the device's. */
  probing: Endpoint | undefined;
  probedAtMs = -Infinity;
  /** Called once when the probe under way is answered. */
  probeWaiters: (() => void)[] | undefined;

  readonly answers = new AnswerCache();
  /** Transactions of reads that the store has not answered yet. */
  #reading: Set<number> | undefined;
  asks = 0;
  /** The newest request that took an offer back; an older one, repeated, offers nothing. */
  withdrawnTransaction = 0;
  /** One bucket: the reports that this session may make; made when first needed. */
  reportTokens: TokenBuckets | undefined;
  /** A change of the password that was begun. */
  passwordChange: PasswordChange | undefined;
  /** What the coordinator asks this peer; made when first needed. */
  requests: Requests | undefined;

  /** Its place in the timers' heap, and when it is due there; theirs alone to change. */
  timerIndex = -1;
  timerAtMs = Infinity;

  /** The channel's state, the digest of its shares, the ticket keys of three days, the certificate. */
  readonly #bytes: Bytes;
  #ticketDay = -1;
  #places: AddressPlaces | undefined;
  #placesOfIp = "";

  constructor(start: SessionStart) {
    this.id = start.channel.sessionId;
    this.channel = start.channel;
    this.account = start.account;
    this.foldedAccount = start.foldedAccount;
    this.standing = start.standing;
    this.device = start.device;
    this.deviceId = start.deviceId;
    this.label = start.label;
    this.startedAtMs = start.startedAtMs;
    this.heardAtMs = start.startedAtMs;
    this.endpoint = start.endpoint;
    this.tcpPort = start.tcpPort;
    this.enrolled = start.enrolled;
    this.#bytes = new Uint8Array(certificateAt + start.certificate.length);
    this.channel.moveTo(this.#bytes);
    this.#bytes.set(start.certificate, certificateAt);
    this.noteShares(start.shareDigest);
  }

  /** The device's TLS certificate; valid as long as the session. */
  get certificate(): Bytes {
    return this.#bytes.subarray(certificateAt);
  }

  /** Notes what the store's list of its shares sums up to now. */
  noteShares(digest: Uint8Array): void {
    this.#bytes.set(digest, digestAt);
  }

  /** Whether the device's own list sums up to the same. No secret, so the first difference may end it. */
  hasShares(digest: Uint8Array): boolean {
    for (let i = 0; i < digestBytes; i++) if (digest[i] !== this.#bytes[digestAt + i]) return false;
    return true;
  }

  /** Where the buckets of its address are; looked up once for an address. */
  placesIn(rates: AddressRates): AddressPlaces {
    if (this.#placesOfIp !== this.endpoint.ip) {
      this.#placesOfIp = this.endpoint.ip;
      this.#places = rates.placesOf(this.endpoint.ip);
    }
    return this.#places!;
  }

  /** Whether the store has not answered this read yet. */
  isReading(transaction: number): boolean {
    return this.#reading?.has(transaction) ?? false;
  }

  beginReading(transaction: number): void {
    (this.#reading ??= new Set()).add(transaction);
  }

  endReading(transaction: number): void {
    if (this.#reading?.delete(transaction) && this.#reading.size === 0) this.#reading = undefined;
  }

  get endsAtMs(): number {
    return this.startedAtMs + limits.sessionMs;
  }

  /** Seals a message to the proven address. */
  send(outbox: Outbox, transaction: number, message: Message): void {
    outbox.send(this.endpoint, this.channel.seal(encodeMessage(transaction, message)));
  }

  /** The keys under which tickets for this device are sealed; made once a day. */
  ticketKeys(ticketRoot: Uint8Array, nowMs: number): readonly TicketKey[] {
    const today = ticketDay(nowMs);
    if (today !== this.#ticketDay) {
      this.#ticketDay = today;
      for (const [i, { key }] of ticketKeysFor(ticketRoot, nowMs, this.deviceId).entries()) {
        this.#bytes.set(key, ticketKeysAt + i * keyBytes);
      }
    }
    return [0, 1, 2].map((i) => {
      const at = ticketKeysAt + i * keyBytes;
      return { day: today - 1 + i, key: this.#bytes.subarray(at, at + keyBytes) };
    });
  }
}
