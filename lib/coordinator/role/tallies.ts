/**
 * tallies: what the role counts of its work, for metrics. Laws: 1) plain numbers, written where the work is done and read when somebody
 * asks: a count costs a few nanoseconds, a time nothing but the clock that the input brought;  2) their size is fixed by tables of ours,
 * never by what peers send.  (pure)
 */

import { type ErrorCode, errorCodes } from "../../core/errors.ts";
import type { Message, Request } from "../../wire/message.ts";
import type { Shedding } from "./shedding.ts";

/** The upper ends of a histogram's buckets in milliseconds; what takes longer is in one more. */
const requestBucketsMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];
const datagramBucketsMs = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 50];

/** How often things took how long. */
export class TimeTally {
  readonly bucketsMs: readonly number[];
  /** One for each bucket, and one above; each counts its own alone. */
  readonly counts: number[];
  sumMs = 0;

  constructor(bucketsMs: readonly number[]) {
    this.bucketsMs = bucketsMs;
    this.counts = Array(bucketsMs.length + 1).fill(0);
  }

  /** For what waits for the store, from 1 ms to 5 s. */
  static ofRequests(): TimeTally {
    return new TimeTally(requestBucketsMs);
  }

  /** For what is decided at once, from 5 µs to 50 ms. */
  static ofDatagrams(): TimeTally {
    return new TimeTally(datagramBucketsMs);
  }

  note(ms: number): void {
    let at = 0;
    while (at < this.bucketsMs.length && ms > this.bucketsMs[at]!) at++;
    this.counts[at]!++;
    this.sumMs += ms;
  }
}

/** How often something ended how: `ok`, or the code of a refusal. */
export class ResultTally {
  /** By the code's number on the wire; 0 is `ok`. */
  readonly #counts: number[] = Array(256).fill(0);

  /** @param wireCode As ERROR carries it; 0 for `ok`. */
  note(wireCode: number): void {
    this.#counts[wireCode]!++;
  }

  noteRefusal(code: ErrorCode): void {
    this.note(errorCodes[code].wire);
  }

  /** Those that occurred. */
  *entries(): Iterable<readonly [result: "ok" | ErrorCode, count: number]> {
    if (this.#counts[0]! > 0) yield ["ok", this.#counts[0]!];
    for (const [code, { wire }] of Object.entries(errorCodes)) {
      if (wire > 0 && this.#counts[wire]! > 0) yield [code as ErrorCode, this.#counts[wire]!];
    }
  }
}

/** The requests of one kind. */
export class RequestTally {
  readonly results = new ResultTally();
  /** From the request's arrival to its answer. */
  readonly times = TimeTally.ofRequests();
}

/** The requests of logged-in peers, by kind. A repeat that gets a stored answer, or is under way, is not counted again. */
export class RequestTallies {
  /** When the input came that the role works on; kept by the role, read by whoever has no time at hand. */
  nowMs = 0;
  readonly #kinds = new Map<Request["kind"], RequestTally>();

  /** Notes that a request which came at `askedAtMs` is answered now. */
  answered(kind: Request["kind"], askedAtMs: number, answer: Message): void {
    let tally = this.#kinds.get(kind);
    if (tally === undefined) this.#kinds.set(kind, tally = new RequestTally());
    tally.results.note(answer.kind === "error" ? answer.code : 0);
    tally.times.note(this.nowMs - askedAtMs);
  }

  entries(): Iterable<readonly [kind: Request["kind"], tally: RequestTally]> {
    return this.#kinds;
  }
}

/** What the role counts. */
export interface RoleTallies {
  readonly requests: RequestTallies;
  /** Logins by how they ended; `timeout` for one whose second message was answered and whose third never came. */
  readonly logins: ResultTally;
  /** The load, and what was given up because of it. */
  readonly shedding: Pick<Shedding, "load" | "shed">;
}
