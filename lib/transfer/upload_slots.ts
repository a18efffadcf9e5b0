/**
 * upload_slots: to whom bytes of content are sent at the moment, and who waits for that. Laws: 1) `uploadSlots` connections are sent to;
 * the others wait, and each is told its place;  2) the next slot goes to the account that has the fewest, of these to the one whose
 * turn was the longest ago, and within an account to who came first: many connections get no more than one;  3) who has a slot and
 * asks for nothing keeps nobody waiting: others are sent to meanwhile, and a round trip later it goes on beside them; when it asks for
 * nothing for longer while others wait, and at the end of a turn, the slot is lost: nobody waits for a file that takes hours.
 * Spec: PROTOCOL.md "QUEUED".  (pure: the clock and the timers are passed in)
 */

import { limits } from "../core/limits.ts";
import type { Queued } from "../wire/frame.ts";
import type { Timers } from "./timers.ts";

/** One connection's part in the slots; whoever disposes of it leaves slot or queue. */
export interface SlotUser extends Disposable {
  /** Asks to send. Undefined: it has a slot; else a promise that resolves when it has one. Asked anew before each frame. */
  take(): Promise<void> | undefined;
  /** Notes that there is nothing to be sent until `take` is called again. */
  rest(): void;
}

/** Slots that are out at the most, with those of connections that ask for nothing, for each that is sent to. */
const slotsPerSend = 4;
/** How long slots are held, before any was given back, and how much the last one counts. */
const heldFirstMs = 1_000;
const heldWeight = 0.1;
const expectedMsMax = 3_600_000;

interface Account {
  readonly name: string;
  /** Its connections, and slots that they have. */
  users: number;
  slots: number;
  /** The higher, the later it came, or gave a slot back. */
  turn: number;
}

export class UploadSlots {
  readonly #timers: Timers;
  readonly #slotsMax: number;
  readonly #accounts = new Map<string, Account>();
  readonly #holding = new Set<User>();
  /** How many of these ask for nothing. */
  #resting = 0;
  /** In the order of their coming. */
  readonly #waiting = new Set<User>();
  #turn = 0;
  #heldMs = heldFirstMs;
  #cancelTick: (() => void) | undefined;

  constructor(timers: Timers, slotsMax: number = limits.uploadSlots) {
    this.#timers = timers;
    this.#slotsMax = slotsMax;
  }

  /** How many have a slot. */
  get held(): number {
    return this.#holding.size;
  }

  /** Begins one connection's part. @param onPlace Told its place when it begins to wait, when that changes, and now and then. */
  join(name: string, onPlace: (queued: Queued) => void): SlotUser {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = { name, users: 0, slots: 0, turn: ++this.#turn };
      this.#accounts.set(name, account);
    }
    account.users++;
    const user = new User(account, onPlace);
    return {
      take: () => this.#take(user),
      rest: () => this.#rest(user),
      [Symbol.dispose]: () => this.#leave(user),
    };
  }

  #rest(user: User): void {
    if (user.restsFromMs !== undefined) return;
    user.restsFromMs = this.#timers.nowMs();
    if (!this.#holding.has(user)) return;
    this.#resting++;
    this.#serve();
  }

  #take(user: User): Promise<void> | undefined {
    if (this.#holding.has(user)) {
      if (!this.#isLost(user)) {
        if (user.restsFromMs !== undefined) this.#resting--;
        user.restsFromMs = undefined;
        return undefined;
      }
      this.#release(user);
    }
    user.restsFromMs = undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    user.onTurn = resolve;
    this.#waiting.add(user);
    this.#serve();
    if (this.#holding.has(user)) return undefined;
    this.#tell((other) => other === user);
    return promise;
  }

  /** Whether others go before one that has a slot and asks again. */
  #isLost({ heldFromMs, restsFromMs = Infinity }: User): boolean {
    const nowMs = this.#timers.nowMs();
    const isWanted = this.#waiting.size > 0;
    const hasRested = nowMs - restsFromMs >= limits.uploadRestMs;
    return isWanted && nowMs - heldFromMs >= limits.uploadTurnMs || hasRested && (isWanted || !this.#canSend());
  }

  #leave(user: User): void {
    const { account } = user;
    if (user.hasLeft) return;
    user.hasLeft = true;
    this.#waiting.delete(user);
    if (this.#holding.has(user)) this.#release(user);
    if (--account.users === 0) this.#accounts.delete(account.name);
    this.#serve();
  }

  /** Gives out what is free. */
  #serve(): void {
    while (this.#waiting.size > 0 && this.#canSend() && (this.#hasFree() || this.#releaseResting())) {
      const user = this.#order()[0]!;
      this.#waiting.delete(user);
      this.#holding.add(user);
      user.heldFromMs = this.#timers.nowMs();
      user.account.slots++;
      user.onTurn();
    }
    this.#arm();
  }

  /** Whether fewer are sent to than may be. */
  #canSend(): boolean {
    return this.#holding.size - this.#resting < this.#slotsMax;
  }

  #hasFree(): boolean {
    return this.#holding.size < slotsPerSend * this.#slotsMax;
  }

  /** Who is served next, and so on. */
  #order(): readonly User[] {
    const slots = new Map<Account, number>();
    const ranked = [...this.#waiting].map((user) => {
      const before = slots.get(user.account) ?? user.account.slots;
      slots.set(user.account, before + 1);
      return { user, before };
    });
    ranked.sort((a, b) => a.before - b.before || a.user.account.turn - b.user.account.turn);
    return ranked.map(({ user }) => user);
  }

  #release(user: User): void {
    this.#holding.delete(user);
    if (user.restsFromMs !== undefined) this.#resting--;
    user.account.slots--;
    user.account.turn = ++this.#turn;
    this.#heldMs += heldWeight * (this.#heldFor(user) - this.#heldMs);
  }

  /** Takes a slot from one that has asked for nothing for a round trip and more. */
  #releaseResting(): boolean {
    const untilMs = this.#timers.nowMs() - limits.uploadRestMs;
    for (const user of this.#holding) {
      if (user.restsFromMs === undefined || user.restsFromMs > untilMs) continue;
      this.#release(user);
      return true;
    }
    return false;
  }

  /** Looks again in a while, as long as somebody waits. */
  #arm(): void {
    if (this.#waiting.size === 0) {
      this.#cancelTick?.();
      this.#cancelTick = undefined;
      return;
    }
    this.#cancelTick ??= this.#timers.start(limits.queuedEveryMs, () => {
      this.#cancelTick = undefined;
      this.#serve();
      this.#tell((user, place) => {
        return place !== user.toldPlace || this.#timers.nowMs() - user.toldAtMs >= limits.queuedAgainMs;
      });
    });
  }

  /** Tells those who are to be told where they stand. */
  #tell(isDue: (user: User, place: number) => boolean): void {
    for (const [index, user] of this.#order().entries()) {
      const place = index + 1;
      if (!isDue(user, place)) continue;
      user.toldPlace = place;
      user.toldAtMs = this.#timers.nowMs();
      user.onPlace({ place, expectedMs: this.#expectedMs(place) });
    }
  }

  /** When a place will be served, as slots are held lately, and by those who have them now. */
  #expectedMs(place: number): number {
    const now = [...this.#holding].reduce((sum, user) => sum + this.#heldFor(user), 0) / this.#holding.size;
    return Math.min(expectedMsMax, Math.ceil(place * Math.max(this.#heldMs, now) / this.#slotsMax));
  }

  #heldFor(user: User): number {
    return Math.min(limits.uploadTurnMs, this.#timers.nowMs() - user.heldFromMs);
  }
}

class User {
  readonly account: Account;
  readonly onPlace: (queued: Queued) => void;
  onTurn: () => void = () => {};
  heldFromMs = 0;
  /** Since when nothing is asked for. */
  restsFromMs: number | undefined;
  toldPlace = 0;
  toldAtMs = 0;
  hasLeft = false;

  constructor(account: Account, onPlace: (queued: Queued) => void) {
    this.account = account;
    this.onPlace = onPlace;
  }
}
