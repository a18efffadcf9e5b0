/**
 * recent_writers: the sessions that keep answers to what they changed, so that these are let go once nobody asks for them again, though
 * the session says nothing more. Law: what one write puts in costs two looks, which take out what is old: no more are kept than wrote
 * in limits.answersKeptMs, once others have written since.  (pure)
 */

import { limits } from "../../core/limits.ts";
import type { Session } from "./session.ts";

export class RecentWriters {
  /** When each wrote last; the oldest first. */
  readonly #wroteAtMs = new Map<Session, number>();

  note(session: Session, nowMs: number): void {
    this.#wroteAtMs.delete(session);
    this.#wroteAtMs.set(session, nowMs);
    for (const [oldest, wroteAtMs] of this.#wroteAtMs.entries().take(2)) {
      if (nowMs < wroteAtMs + limits.answersKeptMs) return;
      oldest.answers.forgetOld(nowMs);
      this.#wroteAtMs.delete(oldest);
    }
  }
}
