/**
 * bus: how coordinators on one PostgreSQL database hear of each other: LISTEN and NOTIFY on one channel, and the table of those that
 * live. Laws: 1) what is told goes out in its order, together with what waits; what cannot go out waits, and what is more than can wait
 * becomes a gap that everybody is told of;  2) it hears its own beats: where they stay out the way is dead, and another one is
 * opened;  3) whoever uses it hears that news may have been missed, before it hears the next;  4) it decides nothing.
 * Why: docs/adr/0026-coordinators-tell-each-other.md  (I/O)
 */

import postgres from "postgres";
import { type Endpoint, parseEndpoint } from "../core/transport.ts";
import { formatNews, parseNews } from "./news_text.ts";
import type { LiveCoordinator, News } from "./role/news.ts";
import { PostgresDatabase, serverOf } from "./store/postgres_database.ts";
import type { Instance } from "./store/store.ts";

const channel = "shoal_news";
/** Texts that wait, and that go out together. */
const waitingMax = 10_000;
const togetherMax = 64;
/** Beats a lease; so many may stay out. */
const beatsPerLease = 4;
const beatsMissedMax = 2;

export interface BusOptions {
  readonly url: string;
  readonly leaseMs: number;
  readonly as: Instance;
  readonly onNews: (from: number, news: News) => void;
  readonly onLive: (live: readonly LiveCoordinator[]) => void;
  /** News are heard from now on; `isAgain`: some may have been missed. */
  readonly onJoined: (isAgain: boolean) => void;
}

/** Where news go out. */
export class Teller {
  readonly #database: PostgresDatabase;
  readonly #instance: number;
  #waiting: string[] = [];
  #isLossy = false;
  #sending: Promise<void> | undefined;

  constructor(database: PostgresDatabase, instance: number) {
    this.#database = database;
    this.#instance = instance;
  }

  tell(news: News): void {
    this.#put(formatNews(this.#instance, news));
  }

  beat(): void {
    this.#put([String(this.#instance)]);
  }

  /** Resolves once nothing goes out any more; false where something waits for a database that is away. */
  async flush(): Promise<boolean> {
    while (this.#sending !== undefined) await this.#sending;
    return this.#waiting.length === 0;
  }

  #put(texts: readonly string[]): void {
    if (this.#waiting.length + texts.length > waitingMax) {
      this.#waiting = [];
      this.#isLossy = true;
    }
    this.#waiting.push(...texts);
    // What a turn brings goes together.
    this.#sending ??= Promise.resolve().then(() => this.#send());
  }

  async #send(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        if (this.#isLossy) this.#waiting.unshift(...formatNews(this.#instance, { kind: "gap" }));
        this.#isLossy = false;
        const texts = this.#waiting.slice(0, togetherMax);
        await this.#database.sql.rows("SELECT pg_notify($1, text) FROM unnest($2::text[]) AS text", channel, texts);
        this.#waiting.splice(0, texts.length);
      }
    } catch {
      // The next beat tries again.
    } finally {
      this.#sending = undefined;
    }
  }
}

/** A bus that is open; it joins as soon as the database answers. */
export class Bus implements AsyncDisposable {
  readonly #options: BusOptions;
  readonly #database: PostgresDatabase;
  readonly #teller: Teller;
  #listening: postgres.Sql | undefined;
  #hasJoined = false;
  #missed = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #beating: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: BusOptions) {
    this.#options = options;
    this.#database = new PostgresDatabase(options.url);
    this.#teller = new Teller(this.#database, options.as.instance);
    this.#listen();
    this.#beating = this.#beat();
  }

  tell(news: News): void {
    if (!this.#isClosed) this.#teller.tell(news);
  }

  /** Resolves once nothing goes out any more; false where something waits for a database that is away. */
  flush(): Promise<boolean> {
    return this.#teller.flush();
  }

  /** Says what waits, if the database is there, and hears no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#beating;
    await this.#teller.flush();
    await this.#listening?.end({ timeout: 0 });
    await this.#database.close();
  }

  /** Opens a way in; the one before is given up. */
  #listen(): void {
    this.#listening?.end({ timeout: 0 }).catch(() => {});
    const { url, ...server } = serverOf(this.#options.url);
    const sql = this.#listening = postgres(url, {
      ...server,
      max: 1,
      connect_timeout: 3,
      onnotice: () => {},
      connection: { application_name: "shoal-coordinator-news" },
    });
    const isCurrent = () => sql === this.#listening && !this.#isClosed;
    // It listens again by itself where its connection breaks, and says so.
    sql.listen(channel, (text) => isCurrent() && this.#hear(text), () => isCurrent() && this.#join()).catch(() => {
      // The beats stay out.
    });
  }

  #join(): void {
    const isAgain = this.#hasJoined;
    this.#hasJoined = true;
    this.#missed = 0;
    this.#options.onJoined(isAgain);
  }

  #hear(text: string): void {
    const from = Number(text);
    if (Number.isSafeInteger(from)) {
      if (from === this.#options.as.instance) this.#missed = 0;
      return;
    }
    const heard = parseNews(text);
    if (heard !== undefined && heard.from !== this.#options.as.instance) this.#options.onNews(heard.from, heard.news);
  }

  async #beat(): Promise<void> {
    if (this.#missed++ > beatsMissedMax) {
      this.#missed = 0;
      this.#listen();
    }
    this.#teller.beat();
    await this.#readLive();
    await this.#teller.flush();
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat();
    }, this.#options.leaseMs / beatsPerLease);
  }

  async #readLive(): Promise<void> {
    try {
      const rows = await this.#database.sql.rows<{ readonly instance: number; readonly address: string | null }>(
        "SELECT instance, address FROM instances WHERE lease_until > now() ORDER BY instance",
      );
      if (!this.#isClosed) this.#options.onLive(rows.map(liveFrom));
    } catch {
      // Who lived a moment ago is the best guess.
    }
  }
}

/** Tells the coordinators on a database something, from outside of all of them. */
export async function tellAll(url: string, news: readonly News[]): Promise<boolean> {
  const database = new PostgresDatabase(url);
  try {
    const teller = new Teller(database, Number.MAX_SAFE_INTEGER);
    for (const one of news) teller.tell(one);
    return await teller.flush();
  } finally {
    await database.close();
  }
}

function liveFrom({ instance, address }: { readonly instance: number; readonly address: string | null }) {
  const endpoint: Endpoint | undefined = address === null ? undefined : parseEndpoint(address);
  return { instance, endpoint: endpoint ?? null };
}
