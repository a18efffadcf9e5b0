/**
 * postgres_database: the way to a PostgreSQL database. Laws: 1) whoever asks waits a bounded time: a database that is away, full or silent
 * is a failure `busy`, and the next ask tries anew;  2) a group of writes is one transaction, and one group at a time runs in the whole
 * database, whoever its coordinator is: numbers are taken in the order in which they are committed, so no cursor skips a row, and
 * what a group read first is still so when it writes;  3) a coordinator that stops in the middle of a group loses it;
 * 4) what the database throws becomes a ShoalError here, without a password.  Why: docs/adr/0020-several-coordinators-one-database.md
 */

import { Buffer } from "node:buffer";
import postgres from "postgres";
import { type ErrorCode, NetworkError, ShoalError, StoreError } from "../../core/errors.ts";

/** What a parameter may be. Bytes in a list go through `byteList`. */
export type SqlValue = string | number | boolean | Uint8Array | null | readonly string[] | readonly number[];

/** Runs SQL, in a transaction or on its own. User text is always a parameter. */
export interface Sql {
  /** @typeParam Row What the SQL selects. */
  rows<Row>(sql: string, ...parameters: readonly SqlValue[]): Promise<Row[]>;
  /** Runs what selects nothing; how many rows it touched. */
  run(sql: string, ...parameters: readonly SqlValue[]): Promise<number>;
}

/** How long a connection, a read and a whole group of writes may take, in milliseconds. */
const connectMs = 3_000;
const readMs = 5_000;
const groupMs = 10_000;
/** How long the database waits for the next statement of a group before it gives the others their turn, in milliseconds. */
const idleMs = 5_000;
const connectionsMax = 4;
/** The advisory lock of whoever writes: "shoal" as a number, for nobody else in this database. */
const writersLock = 0x73_686f_616c;

/** One database, with connections that are made when they are needed. */
export class PostgresDatabase {
  /** For messages: the URL without its password. */
  readonly name: string;
  readonly #url: string;
  #pool: postgres.Sql;
  #isClosed = false;
  readonly #own: Sql = {
    rows: (text, ...parameters) => this.#bounded(readMs, (pool) => sqlOn(pool).rows(text, ...parameters)),
    run: (text, ...parameters) => this.#bounded(readMs, (pool) => sqlOn(pool).run(text, ...parameters)),
  };

  constructor(url: string) {
    this.#url = url;
    this.name = withoutPassword(url);
    this.#pool = openPool(url);
  }

  /** Statements on their own, each seeing what is committed. */
  get sql(): Sql {
    return this.#own;
  }

  /**
   * Runs one group of writes, alone in the database; resolves once it is durable. If it rejects, the group is undone, but for one case: a
   * connection that is lost during the commit leaves open which.
   */
  group<T>(act: (sql: Sql) => Promise<T>, waitMs = groupMs): Promise<T> {
    return this.#bounded(waitMs, (pool) =>
      pool.begin(async (transaction) => {
        const sql = sqlOn(transaction);
        await sql.rows("SELECT pg_advisory_xact_lock($1)", writersLock);
        return await act(sql);
      }) as Promise<T>);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#pool.end({ timeout: 1 });
  }

  /** What it threw, as what an asker is told. */
  error(error: unknown, operation: string): ShoalError {
    return postgresError(error, operation, this.name);
  }

  async #bounded<T>(waitMs: number, act: (pool: postgres.Sql) => Promise<T>): Promise<T> {
    const pool = this.#pool;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(busy("it does not answer", this.name));
        this.#replace(pool);
      }, waitMs);
    });
    try {
      return await Promise.race([act(pool), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives up connections that may never answer, with whatever waits for them. */
  #replace(pool: postgres.Sql): void {
    if (pool !== this.#pool || this.#isClosed) return;
    this.#pool = openPool(this.#url);
    pool.end({ timeout: 0 });
  }
}

/** Bytes as one parameter of the type `bytea[]`. */
export function byteList(list: readonly Uint8Array[]): string {
  return `{${list.map((bytes) => `"\\\\x${Buffer.from(bytes).toString("hex")}"`).join(",")}}`;
}

/** A URL as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^/?#]*?):[^/?#]*@/, "$1@").replace(/([?&]password=)[^&#]*/i, "$1…");
}

/** Statements on a pool or in a transaction of it. */
function sqlOn(on: postgres.Sql | postgres.TransactionSql): Sql {
  const run = (text: string, parameters: readonly SqlValue[]) =>
    on.unsafe(text, parameters.map(withoutNul) as never[], { prepare: true });
  return {
    // The driver's own kind of list is not handed on.
    rows: <Row>(text: string, ...parameters: readonly SqlValue[]) =>
      mayBeLeft(run(text, parameters).then((list) => [...list] as unknown as Row[])),
    run: (text, ...parameters) => mayBeLeft(run(text, parameters).then(({ count }) => count)),
  };
}

/** A statement whose failure nobody may come back for: one before it failed, or its time was over. */
function mayBeLeft<T>(running: Promise<T>): Promise<T> {
  running.catch(() => {});
  return running;
}

/** A text that PostgreSQL takes: it has no NUL, so what is looked for with one is not there. Names with one are refused before. */
function withoutNul(value: SqlValue): SqlValue {
  return typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;
}

/** A server's socket on this machine, as libpq names it: `postgres://user@%2Frun%2Fpostgresql/db` or `postgres:///db?host=/run/postgresql`. */
export function serverOf(url: string): { readonly url: string; readonly host?: string } {
  const parsed = new URL(url);
  const host = parsed.searchParams.get("host") ?? decodeURIComponent(parsed.hostname);
  if (!host.startsWith("/")) return { url };
  parsed.searchParams.delete("host");
  parsed.hostname = "localhost";
  return { url: parsed.href, host };
}

function openPool(whole: string): postgres.Sql {
  const { url, ...socket } = serverOf(whole);
  return postgres(url, {
    ...socket,
    max: connectionsMax,
    connect_timeout: connectMs / 1000,
    backoff: () => 0.25,
    onnotice: () => {},
    connection: {
      application_name: "shoal-coordinator",
      synchronous_commit: "on",
      statement_timeout: readMs,
      idle_in_transaction_session_timeout: idleMs,
      // The plan that fits every parameter: one that was made for a frequent word reads the whole table for a rare one.
      plan_cache_mode: "force_generic_plan",
      // Every question has its index. Statistics of tables that were empty a minute ago would have some read whole instead.
      enable_seqscan: "off",
      enable_hashjoin: "off",
      enable_mergejoin: "off",
      // It takes 0.2 s to compile what runs for a millisecond.
      jit: "off",
      // A coordinator whose machine is gone does not keep the writers' lock for hours.
      tcp_keepalives_idle: 5,
      tcp_keepalives_interval: 2,
      tcp_keepalives_count: 3,
    } as never,
    // Asking for the types of lists at each connection is a question whose failure nobody can catch.
    fetch_types: false,
    types: {
      bigints: {
        to: 1016,
        from: [1016],
        serialize: listText,
        parse: (text: string) => parseTexts(text).map(parseWhole),
      },
      texts: { to: 1009, from: [1009], serialize: listText, parse: parseTexts },
      bigint: { to: 20, from: [20], serialize: String, parse: parseWhole },
      bytea: {
        to: 17,
        from: [17],
        serialize: (bytes: Uint8Array) => `\\x${Buffer.from(bytes).toString("hex")}`,
        parse: (text: string) => new Uint8Array(Buffer.from(text.slice(2), "hex")),
      },
    },
  }) as postgres.Sql;
}

/** A list as PostgreSQL writes it; what `byteList` made is one already. */
function listText(list: string | readonly (string | number)[]): string {
  if (typeof list === "string") return list;
  const texts = list.map((one) => typeof one === "number" ? one : `"${one.replaceAll(/["\\]/g, "\\$&")}"`);
  return `{${texts.join(",")}}`;
}

/** A list of texts as PostgreSQL writes it, none of them NULL. */
function parseTexts(list: string): string[] {
  const items = list.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/gs);
  return [...items].map(([item, quoted]) => quoted === undefined ? item : quoted.replaceAll(/\\(.)/gs, "$1"));
}

function parseWhole(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError(`the database holds ${text}, which is no safe integer`);
  return number;
}

function busy(reason: string, name: string, cause?: unknown): NetworkError {
  return new NetworkError(`Cannot reach ${name}: ${reason}`, {
    code: "busy",
    hint: "See whether the database runs and lets this machine in",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** What SQLSTATE classes and the driver's own codes mean here; the longest that fits decides. */
const meanings: Readonly<Record<string, ErrorCode>> = {
  "08": "busy", // The connection failed.
  "40": "busy", // Serialization, deadlock.
  "53": "busy", // Out of connections, memory,
  "53100": "diskFull",
  "55P03": "busy", // A lock was not to be had.
  "57": "busy", // Shut down, starting up, cancelled.
  "25P03": "busy", // Waited too long for us.
  "28": "denied",
  "3D": "notFound",
  CONNECT: "busy",
  CONNECTION: "busy",
  ECONN: "busy",
  EPIPE: "busy",
  ENOENT: "busy", // The socket of a server on this machine that does not run.
  EHOSTUNREACH: "busy",
  ENETUNREACH: "busy",
  ETIMEDOUT: "busy",
  ENOTFOUND: "busy",
  EAI_: "busy",
};

function postgresError(error: unknown, operation: string, name: string): ShoalError {
  if (error instanceof ShoalError) return error;
  const { code: state = "", message } = error as { readonly code?: string; readonly message: string };
  const prefix = Object.keys(meanings).filter((one) => state.startsWith(one)).sort((a, b) => b.length - a.length)[0];
  const code = prefix === undefined ? "io" : meanings[prefix]!;
  if (code === "busy") return busy(reasonOf(state, message), name, error);
  const hint = code === "denied" || code === "notFound"
    ? { hint: "Check user, password and database of --store" }
    : code === "diskFull"
    ? { hint: "Free some space on the database's machine" }
    : {};
  return new StoreError(code, operation, name, message, { cause: error, ...hint });
}

function reasonOf(state: string, message: string): string {
  if (state === "ECONNREFUSED" || state === "ENOENT") return "nothing listens there";
  if (state === "CONNECT_TIMEOUT") return "it does not answer";
  return state.startsWith("CONNECTION") ? "the connection was lost" : message;
}
