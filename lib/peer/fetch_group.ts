/**
 * fetch_group: the files of one `fetch` command that means several: one progress for the whole, and a summary at the end. Law: what
 * happens to single files is told as ever; only their progress gives way to that of the whole, where they are many.  (pure: the clock
 * is passed in)
 */

import type { PeerEvent } from "./commands.ts";
import type { FetchWish } from "./fetch_store.ts";

/** Up to this each file has its own progress. */
const severallyMax = 6;
/** Progress of the whole at most so often, in milliseconds. */
const paceMs = 100;
/** The weight of the last look in the rate. */
const rateWeight = 0.3;

export class FetchGroup {
  readonly #name: string;
  readonly #emit: (event: PeerEvent) => void;
  readonly #nowMs: () => number;
  readonly #startedAtMs: number;
  readonly #files: number;
  readonly #totalBytes: number;
  /** Of files that are not done, by name. */
  readonly #doneBytesOf = new Map<string, number>();
  #doneFiles = 0;
  #doneBytes = 0;
  #fetchedBytes = 0;
  #rate = 0;
  #toldAtMs: number;
  #toldBytes: number | undefined;

  /** @param name What was asked for, as it was typed. */
  constructor(name: string, wishes: readonly FetchWish[], emit: (event: PeerEvent) => void, nowMs: () => number) {
    this.#name = name;
    this.#emit = emit;
    this.#nowMs = nowMs;
    this.#startedAtMs = this.#toldAtMs = nowMs();
    this.#files = wishes.length;
    this.#totalBytes = wishes.reduce((sum, { content }) => sum + content.bytes, 0);
    emit({ type: "fetching", name, files: this.#files, bytes: this.#totalBytes });
  }

  /** Takes what is told of one of the files. */
  readonly emit = (event: PeerEvent): void => {
    if (event.type === "progress") {
      this.#count(event.name, event.doneBytes);
      if (this.#files <= severallyMax) this.#emit(event);
    } else if (event.type === "fetched") {
      this.#count(event.name, event.bytes);
      this.#doneBytesOf.delete(event.name);
      this.#doneFiles++;
      this.#fetchedBytes += event.fetchedBytes;
      this.#emit(event);
    } else this.#emit(event);
    if (this.#files > severallyMax) this.#tell();
  };

  /** Tells how it ended. */
  end(): void {
    const [done, bytes] = [this.#doneFiles, this.#doneBytes - sum(this.#doneBytesOf.values())];
    const tookMs = Math.round(this.#nowMs() - this.#startedAtMs);
    const of = { name: this.#name, files: this.#files, done, bytes };
    this.#emit({ type: "summary", ...of, fetchedBytes: this.#fetchedBytes, tookMs });
  }

  #count(name: string, doneBytes: number): void {
    this.#doneBytes += doneBytes - (this.#doneBytesOf.get(name) ?? 0);
    this.#doneBytesOf.set(name, doneBytes);
  }

  #tell(): void {
    const nowMs = this.#nowMs();
    const ms = nowMs - this.#toldAtMs;
    if (ms < paceMs) return;
    // What was there before the first look came from no holder.
    const rate = (this.#doneBytes - (this.#toldBytes ?? this.#doneBytes)) * 1000 / ms;
    this.#rate = this.#rate === 0 ? rate : this.#rate + rateWeight * (rate - this.#rate);
    this.#toldAtMs = nowMs;
    this.#toldBytes = this.#doneBytes;
    this.#emit({
      type: "progress",
      name: this.#name,
      ...{ doneBytes: this.#doneBytes, totalBytes: this.#totalBytes, activity: "fetch" },
      bytesPerSecond: Math.max(0, Math.round(this.#rate)),
      files: { done: this.#doneFiles, total: this.#files },
    });
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
