/**
 * page_ahead: what the store has answered of a list beyond the page that went out, kept for who asks for the next page: a list of thousands
 * costs the store one question for several pages. Laws: 1) of a session the rest of one list is kept, for keptMs, and of all sessions
 * rowsMax rows: above it the oldest is forgotten;  2) it is given out once, to the session that it was read for, for the very cursor
 * that it got; for any other the store is asked;  3) so a page is as old as its list's last question, by keptMs at the most.  (pure)
 */

import { bytesEqual } from "../../core/bytes.ts";
import type { Session } from "./session.ts";

/** How old a kept row may be, in milliseconds. */
const keptMs = 2_000;
/** Rows of all sessions. Each has up to 1 KiB. */
const rowsMax = 16_384;

interface Rest<P> {
  readonly cursor: Uint8Array;
  readonly readAtMs: number;
  readonly rows: number;
  readonly page: P;
}

export class PageAhead<P> {
  /** The oldest first. */
  readonly #rests = new Map<Session, Rest<P>>();
  #rows = 0;

  /** Keeps the rest of a list, in place of what is kept of the session. `page` is what `take` answers for this cursor. */
  keep(session: Session, rest: Rest<P>): void {
    this.#forget(session);
    this.#rests.set(session, rest);
    this.#rows += rest.rows;
    for (const [oldest, { readAtMs }] of this.#rests) {
      if (this.#rows <= rowsMax && rest.readAtMs - readAtMs <= keptMs) break;
      this.#forget(oldest);
    }
  }

  /** Takes the rest out that begins at this cursor; undefined where the store is to be asked. */
  take(session: Session, cursor: Uint8Array, nowMs: number): P | undefined {
    const rest = this.#rests.get(session);
    if (rest === undefined || !bytesEqual(rest.cursor, cursor)) return undefined;
    this.#forget(session);
    return nowMs - rest.readAtMs <= keptMs ? rest.page : undefined;
  }

  #forget(session: Session): void {
    const rest = this.#rests.get(session);
    if (rest === undefined) return;
    this.#rests.delete(session);
    this.#rows -= rest.rows;
  }
}
