/**
 * unproven: what is said to addresses that have proven nothing. Laws: 1) no answer is larger than its request (held by tests/coordinator/role/amplification_test.ts);  2) nothing is
 * kept;  3) all these answers together stay under limits.unprovenAnswersPerSecond, and under load are the first to be fewer: there is silence.  One bucket for
 * all: a bucket an address would punish those whose addresses are forged.
 * Spec: PROTOCOL.md "Before an address is proven".  (pure)
 */

import { limits } from "../../core/limits.ts";
import type { Endpoint } from "../../core/transport.ts";
import { encodeCookie, encodeReset, encodeVersions } from "../../wire/envelope.ts";
import type { Cookies } from "./cookie.ts";
import type { Outbox } from "./outbox.ts";
import type { SessionIds } from "./session_id.ts";
import type { Shedding } from "./shedding.ts";
import { TokenBuckets } from "./token_buckets.ts";

export class Unproven {
  readonly #outbox: Outbox;
  readonly #cookies: Cookies;
  readonly #ids: SessionIds;
  readonly #shedding: Shedding;
  /** One bucket for answers, one for ids of sessions that are looked at: junk has any number of these. */
  readonly #answers = new TokenBuckets({
    count: 2,
    capacity: limits.unprovenAnswersPerSecond,
    tokenMs: 1000 / limits.unprovenAnswersPerSecond,
  });
  /** One bucket for refused logins, one for shed answers, so that neither hides the other. */
  readonly #logs = new TokenBuckets({
    count: 2,
    capacity: limits.strangerLogsPerSecond,
    tokenMs: 1000 / limits.strangerLogsPerSecond,
  });

  #shedCount = 0;

  constructor(outbox: Outbox, cookies: Cookies, ids: SessionIds, shedding: Shedding) {
    this.#shedding = shedding;
    this.#outbox = outbox;
    this.#cookies = cookies;
    this.#ids = ids;
  }

  /** Answers that were not given since the start, for there were too many. */
  get shedCount(): number {
    return this.#shedCount;
  }

  /** Answers a datagram of `size` bytes of another version, if it is worth an answer. */
  answerVersion(from: Endpoint, size: number, nowMs: number): void {
    if (size >= limits.datagramBytesMin && this.#spend(nowMs)) this.#outbox.send(from, encodeVersions());
  }

  /** Answers HELLO, and START with a cookie that is not good: a fresh one. */
  answerCookie(from: Endpoint, nonce: Uint8Array, nowMs: number): void {
    if (this.#spend(nowMs)) this.#outbox.send(from, encodeCookie(nonce, this.#cookies.make(from, nonce, nowMs)));
  }

  /** Answers a sealed datagram of a session that is not there: its reset token if the id is one of ours. */
  answerUnknownSession(from: Endpoint, id: bigint, nowMs: number): void {
    // To know an id takes longer than to receive it, so that is rated too.
    if (this.#spend(nowMs, 1) && this.#ids.isOurs(id)) {
      this.#outbox.send(from, encodeReset(id, this.#ids.resetToken(id)));
    }
  }

  /** Whether one more refused login may be logged. */
  mayLogRefusal(nowMs: number): boolean {
    return this.#logs.take(0, nowMs);
  }

  #spend(nowMs: number, bucket: 0 | 1 = 0): boolean {
    if (this.#shedding.admits("hello", nowMs) && this.#answers.take(bucket, nowMs)) return true;
    this.#shedCount++;
    if (this.#logs.take(1, nowMs)) this.#outbox.log({ event: "shed" });
    return false;
  }
}
