/**
 * fetch_store: what a peer still has to fetch, and the receipts of what it has fetched, kept across restarts. Laws: 1) a fetch is here
 * before it begins, until it is done, cancelled or failed for good;  2) its receipt comes in the transaction that takes it away;
 * 3) commits are not synced: a loss of power may take the last ones, and a fetch that is still here though it was done finds its
 * file;  4) receipts are bounded, and the oldest goes;  5) the file is made by the first that needs it.  (I/O: files)
 */

import type { DatabaseSync } from "node:sqlite";
import { openDatabase, type Schema, transact } from "../content/database.ts";
import type { OnExists } from "../content/final_name.ts";
import { lstatOrUndefined } from "../content/locked_file.ts";
import { type SafePath, safePath } from "../content/safe_path.ts";
import { storeErrorFrom } from "../core/errors.ts";
import type { Content, ContentId } from "../core/ids.ts";
import type { FetchPriority } from "./commands.ts";
import type { Receipt, ReceiptHolder } from "./receipt.ts";

/** What somebody wants fetched, and how. */
export interface FetchWish {
  /** In the network. */
  readonly name: string;
  /** Below the folder. */
  readonly path: SafePath;
  readonly content: Content;
  /** Absolute. */
  readonly folder: string;
  readonly onExists: OnExists;
  readonly sync: boolean;
  /** After this long without progress it has failed, in milliseconds; undefined where nobody said. */
  readonly timeoutMs: number | undefined;
  readonly priority: FetchPriority;
  /** Milliseconds since 1970. */
  readonly askedAtMs: number;
}

/** One fetch that is to be finished. */
export interface KeptFetch {
  readonly number: number;
  readonly wish: FetchWish;
  readonly isPaused: boolean;
  /** How far it was when it was last put down. */
  readonly doneBytes: number;
}

/** Some 300 bytes each. */
const receiptsMax = 10_000;

export const fetchStoreSchema: Schema = {
  synchronous: "NORMAL",
  migrations: [`CREATE TABLE fetches (
    number INTEGER PRIMARY KEY, network TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL, id TEXT NOT NULL,
    bytes INTEGER NOT NULL, folder TEXT NOT NULL, onExists TEXT NOT NULL, sync INTEGER NOT NULL, timeoutMs INTEGER,
    priority TEXT NOT NULL, askedAtMs INTEGER NOT NULL, isPaused INTEGER NOT NULL, doneBytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE receipts (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, id TEXT NOT NULL, bytes INTEGER NOT NULL,
    holders TEXT NOT NULL, fetchedBytes INTEGER NOT NULL, startedAtMs INTEGER NOT NULL, finishedAtMs INTEGER NOT NULL,
    coordinator TEXT NOT NULL, UNIQUE (path, id, bytes)
  ) STRICT;
  CREATE INDEX receiptsByName ON receipts (name)`],
};

const fileName = "fetches.db";

export class FetchStore implements Disposable {
  readonly #folder: string;
  #db: DatabaseSync | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens `folder/fetches.db`, if it is there. @throws {StoreError} If it cannot, or a newer program wrote it. */
  static open(folder: string): FetchStore {
    const store = new FetchStore(folder);
    if (lstatOrUndefined(`${folder}/${fileName}`) !== undefined) store.#made();
    return store;
  }

  /** The fetches of one network, the oldest first. */
  fetchesOf(network: string): readonly KeptFetch[] {
    const rows = this.#db?.prepare("SELECT * FROM fetches WHERE network = ? ORDER BY number").all(network) ?? [];
    return rows.flatMap((row) => keptFrom(row) ?? []);
  }

  /** The highest number that a fetch of any network has; 0 if there is none. */
  lastNumber(): number {
    return Number(this.#db?.prepare("SELECT max(number) AS last FROM fetches").get()?.["last"] ?? 0);
  }

  /** Keeps fetches, in place of what has their numbers. @throws {StoreError} If it cannot. */
  keep(network: string, fetches: readonly KeptFetch[]): void {
    if (fetches.length === 0) return;
    this.#transact((db) => {
      const put = db.prepare(`INSERT OR REPLACE INTO fetches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
      for (const { number, wish, isPaused, doneBytes } of fetches) {
        const { name, path, content, folder, onExists, sync, timeoutMs, priority, askedAtMs } = wish;
        put.run(
          ...[number, network, name, path, content.id, content.bytes, folder, onExists, Number(sync)],
          ...[timeoutMs ?? null, priority, askedAtMs, Number(isPaused), doneBytes],
        );
      }
    });
  }

  /** Forgets a fetch that is not to be finished. @throws {StoreError} If it cannot. */
  forget(number: number): void {
    this.#transact((db) => void db.prepare("DELETE FROM fetches WHERE number = ?").run(number));
  }

  /** Keeps the receipts of fetches, and forgets the fetches. @throws {StoreError} If it cannot: of all then. */
  finish(finished: readonly { readonly number: number; readonly receipt: Receipt }[]): void {
    this.#transact((db) => {
      const forget = db.prepare("DELETE FROM fetches WHERE number = ?");
      const insert = (how: "IGNORE" | "REPLACE") =>
        db.prepare(
          `INSERT OR ${how} INTO receipts
            (name, path, id, bytes, holders, fetchedBytes, startedAtMs, finishedAtMs, coordinator)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        );
      // Of a file that was there already an older receipt knows more.
      const [add, replace] = [insert("IGNORE"), insert("REPLACE")];
      for (const { number, receipt } of finished) {
        const { name, path, content, holders, fetchedBytes, startedAtMs, finishedAtMs, coordinator } = receipt;
        forget.run(number);
        (fetchedBytes === 0 ? add : replace).run(
          ...[name, path, content.id, content.bytes, JSON.stringify(holders), fetchedBytes],
          ...[startedAtMs, finishedAtMs, coordinator],
        );
      }
      db.prepare("DELETE FROM receipts WHERE number <= (SELECT max(number) FROM receipts) - ?").run(receiptsMax);
    });
  }

  /** The receipts, the newest first: of a path, of a name, or all. */
  *receipts(of: { readonly path?: string; readonly name?: string } = {}): Generator<Receipt> {
    const [where, ...values] = of.path !== undefined
      ? ["WHERE path = ?", of.path]
      : of.name !== undefined
      ? ["WHERE name = ?", of.name]
      : [""];
    const select = this.#db?.prepare(`SELECT * FROM receipts ${where} ORDER BY number DESC`);
    for (const row of select?.iterate(...values) ?? []) yield receiptFrom(row);
  }

  [Symbol.dispose](): void {
    this.#db?.close();
    this.#db = undefined;
  }

  #made(): DatabaseSync {
    return this.#db ??= openDatabase(this.#folder, fileName, fetchStoreSchema);
  }

  #transact(work: (db: DatabaseSync) => void): void {
    try {
      const db = this.#made();
      transact(db, () => work(db));
    } catch (error) {
      throw storeErrorFrom(error, "write to", `${this.#folder}/${fileName}`);
    }
  }
}

type Row = Readonly<Record<string, unknown>>;

/** Undefined for a row that a rule of today would not take: its fetch is not begun again. */
function keptFrom(row: Row): KeptFetch | undefined {
  const path = safePath(String(row["path"]));
  if (!path.ok) return undefined;
  const wish: FetchWish = {
    name: row["name"] as string,
    path: path.value,
    content: contentFrom(row),
    folder: row["folder"] as string,
    onExists: row["onExists"] as OnExists,
    sync: row["sync"] === 1,
    timeoutMs: row["timeoutMs"] === null ? undefined : row["timeoutMs"] as number,
    priority: row["priority"] as FetchPriority,
    askedAtMs: row["askedAtMs"] as number,
  };
  return {
    number: row["number"] as number,
    wish,
    isPaused: row["isPaused"] === 1,
    doneBytes: row["doneBytes"] as number,
  };
}

function receiptFrom(row: Row): Receipt {
  return {
    name: row["name"] as string,
    path: row["path"] as string,
    content: contentFrom(row),
    holders: JSON.parse(row["holders"] as string) as ReceiptHolder[],
    fetchedBytes: row["fetchedBytes"] as number,
    startedAtMs: row["startedAtMs"] as number,
    finishedAtMs: row["finishedAtMs"] as number,
    coordinator: row["coordinator"] as string,
  };
}

function contentFrom(row: Row): Content {
  return { id: row["id"] as ContentId, bytes: row["bytes"] as number };
}
