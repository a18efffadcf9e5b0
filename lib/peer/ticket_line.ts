/**
 * ticket_line: contents that one holder is to be asked for, with tickets for sets of them that are fetched ahead. Laws: 1) a content is
 * handed on as soon as its ticket is here, in whatever order they come;  2) what the device has not is told, once;  3) it asks for few ahead: who asks the holder
 * may be slow, and tickets expire.  (I/O through Control)
 */

import type { Content, DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { Takeable } from "../transfer/take_from.ts";
import type { Control } from "./control.ts";
import type { TakeQueue } from "./paced_takes.ts";
import { setTicketFor } from "./tickets.ts";

/** Questions on their way at once: a part of what a session may have in flight, for others ask as well. */
const asksMax = 12;
/** Contents whose tickets are here or on their way, above which no more are asked for: as many as are taken while files get their names. */
const aheadMax = 384;
/** Contents that are chosen at once. */
const chosenAtOnce = 4 * limits.setMax;

/** A content with its ticket. */
export interface Ticketed<T> extends Takeable {
  readonly wish: T;
}

export interface TicketLineOptions<T> {
  readonly control: Pick<Control, "request">;
  readonly deviceId: DeviceId;
  /** Chooses contents that this holder is to be asked for, at most so many; none, if there are none at the moment. */
  readonly choose: (count: number) => readonly T[];
  /** Whether one is still wanted. */
  readonly isWanted: (wish: T) => boolean;
  /** Told of what the device has not, or not for this peer. */
  readonly onNone: (wish: T) => void;
}

export class TicketLine<T extends { readonly content: Content }> implements TakeQueue<Ticketed<T>> {
  readonly #options: TicketLineOptions<T>;
  readonly #ready: Ticketed<T>[] = [];
  /** Chosen, and not asked about yet. */
  #chosen: T[] = [];
  #asking = 0;
  #failure: unknown;
  #isClosed = false;
  #news = Promise.withResolvers<void>();

  constructor(options: TicketLineOptions<T>) {
    this.#options = options;
    this.#askAhead();
  }

  peek(): Ticketed<T> | undefined {
    while (this.#ready.length > 0 && !this.#options.isWanted(this.#ready[0]!.wish)) this.#ready.shift();
    this.#askAhead();
    return this.#ready[0];
  }

  shift(): void {
    this.#ready.shift();
  }

  /** Waits until there may be one; false once there will be none. @throws {ShoalError} If the coordinator gives no tickets. */
  async more(): Promise<boolean> {
    while (this.peek() === undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#asking === 0) return false;
      await this.#news.promise;
    }
    return true;
  }

  /** Asks for nothing more, and waits for the answers that are on their way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#asking > 0) await this.#news.promise;
  }

  #askAhead(): void {
    while (!this.#isClosed && this.#failure === undefined && this.#asking < asksMax) {
      if (this.#ready.length + this.#asking * limits.setMax >= aheadMax) return;
      if (this.#chosen.length === 0) this.#chosen = [...this.#options.choose(chosenAtOnce)];
      const some = this.#chosen.splice(0, limits.setMax);
      if (some.length === 0) return;
      this.#asking++;
      this.#ask(some).catch((error) => this.#failure ??= error).finally(() => {
        this.#asking--;
        this.#tell();
      });
    }
  }

  async #ask(wishes: readonly T[]): Promise<void> {
    const { control, deviceId, onNone } = this.#options;
    const { set, isCovered } = await setTicketFor(control, deviceId, wishes.map(({ content }) => content));
    let place = 0;
    for (const [i, wish] of wishes.entries()) {
      if (set === undefined || !isCovered(i)) onNone(wish);
      else this.#ready.push({ wish, content: wish.content, set, place: place++ });
    }
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
}
