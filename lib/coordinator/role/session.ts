/**
 * session: one device that is logged in, and what the coordinator keeps of it in memory. Laws: 1) `endpoint` is proven:
 * it answered the login's cookie or a challenge;  2) nothing here is written to disk.  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Endpoint } from "../../core/transport.ts";
import { AnswerCache } from "../../session/answer_cache.ts";
import type { Requests } from "../../session/requests.ts";
import type { SealedChannel } from "../../session/sealed_channel.ts";
import { ticketDay, ticketKeysFor } from "../../session/ticket.ts";
import { encodeMessage, type Message, reachabilities, type TicketKey } from "../../wire/message.ts";
import type { Outbox } from "./outbox.ts";
import type { TokenBuckets } from "./token_buckets.ts";

/** What a session is made of. */
export interface SessionStart {
  readonly channel: SealedChannel;
  /** The account's name as the store spells it, and folded. */
  readonly account: string;
  readonly foldedAccount: string;
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

export class Session {
  readonly id: bigint;
  readonly channel: SealedChannel;
  readonly account: string;
  readonly foldedAccount: string;
  readonly device: number;
  readonly deviceId: DeviceId;
  readonly label: string;
  readonly certificate: Bytes;
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
  shareDigest: Bytes;

  tcpPort: number;
  reachable: typeof reachabilities[number] = "unknown";
  /** The endpoint that is being dialled; its answer counts only if it is still the device's. */
  probing: Endpoint | undefined;
  probedAtMs = -Infinity;
  /** Called once when the probe under way is answered. */
  readonly probeWaiters: (() => void)[] = [];

  readonly answers = new AnswerCache();
  /** Transactions of reads that the store has not answered yet. */
  readonly reading = new Set<number>();
  asks = 0;
  /** The newest request that took an offer back; an older one, repeated, offers nothing. */
  withdrawnTransaction = 0;
  /** One bucket: the reports that this session may make; made when first needed. */
  reportTokens: TokenBuckets | undefined;
  /** What the coordinator asks this peer; made when first needed. */
  requests: Requests | undefined;

  /** Its place in the timers' heap, and when it is due there; theirs alone to change. */
  timerIndex = -1;
  timerAtMs = Infinity;

  #ticketDay = -1;
  #ticketKeys: readonly TicketKey[] = [];

  constructor(start: SessionStart) {
    this.id = start.channel.sessionId;
    this.channel = start.channel;
    this.account = start.account;
    this.foldedAccount = start.foldedAccount;
    this.device = start.device;
    this.deviceId = start.deviceId;
    this.label = start.label;
    this.certificate = start.certificate;
    this.startedAtMs = start.startedAtMs;
    this.heardAtMs = start.startedAtMs;
    this.endpoint = start.endpoint;
    this.tcpPort = start.tcpPort;
    this.enrolled = start.enrolled;
    this.shareDigest = start.shareDigest;
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
    const day = ticketDay(nowMs);
    if (day !== this.#ticketDay) {
      this.#ticketDay = day;
      this.#ticketKeys = ticketKeysFor(ticketRoot, nowMs, this.deviceId);
    }
    return this.#ticketKeys;
  }
}
