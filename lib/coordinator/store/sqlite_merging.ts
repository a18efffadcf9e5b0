/**
 * sqlite_merging: keeps the index of names in few parts. Each commit adds a part to it, and a search asks them all: twelve cost twice what one
 * does. Laws: 1) it works while nobody writes, or where writes have no end for a minute, in steps of some ten milliseconds, each a
 * transaction of its own;  2) it begins where there are many parts, and seldom, for it writes the index anew (1.7 s for 1,000,000 names).
 * (I/O)
 */

import type { DatabaseSync } from "node:sqlite";
import { prepareQuery, type Query } from "./sqlite_query.ts";

/** How long nobody has written before a step, in milliseconds; between two steps; and between two whole runs. */
const restMs = 2_000;
const pauseMs = 20;
/** For so long it waits for an end of the writes. */
const postponedMs = 60_000;
const everyMs = 10 * 60_000;
const partsMax = 6;
const stepPages = 64;

export class IndexMerging {
  readonly #db: DatabaseSync;
  readonly #parts: Query<{ readonly count: number }>;
  readonly #begin: Query<never>;
  readonly #goOn: Query<never>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isMerging = false;
  /** When the first write came since it last looked. */
  #wroteAtMs: number | undefined;
  #endedAtMs = -Infinity;

  /** @param db With the present schema. */
  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#parts = prepareQuery(db, "SELECT count(DISTINCT segid) AS count FROM names_idx");
    this.#begin = prepareQuery(db, `INSERT INTO names (names, rank) VALUES ('merge', -${stepPages})`);
    this.#goOn = prepareQuery(db, `INSERT INTO names (names, rank) VALUES ('merge', ${stepPages})`);
  }

  /**
   * Notes that somebody has written, now or before a start: what is to be done waits until that has an end, but not for ever. True if it
   * is put off once more.
   */
  wrote(nowMs = performance.now()): boolean {
    this.#wroteAtMs ??= nowMs;
    const isPutOff = nowMs < this.#wroteAtMs + postponedMs;
    if (isPutOff) this.#wait(restMs);
    return isPutOff;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** One step; true if another is to follow. */
  step(nowMs: number): boolean {
    if (!this.#isMerging && (nowMs < this.#endedAtMs + everyMs || this.#parts.get()!.count <= partsMax)) return false;
    const before = this.#changes();
    (this.#isMerging ? this.#goOn : this.#begin).run();
    // The engine's own sign that there was nothing left to do.
    this.#isMerging = this.#changes() - before >= 2;
    if (!this.#isMerging) this.#endedAtMs = nowMs;
    return this.#isMerging;
  }

  #changes(): number {
    return Number(this.#db.prepare("SELECT total_changes() AS count").get()!["count"]);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      try {
        if (this.step(performance.now())) return this.#wait(pauseMs);
      } catch {
        // A full disk, say: the index is as it was, and whoever writes next is told.
      }
      this.#wroteAtMs = undefined;
    }, ms);
    Deno.unrefTimer(this.#timer);
  }
}
