/** sqlite_query: prepared statements with the type of their rows, and the way a refusal leaves a transaction. */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { ErrorCode } from "../../core/errors.ts";

/** A prepared statement. User text is always a parameter, never part of the SQL. */
export interface Query<Row> {
  get(...parameters: readonly SQLInputValue[]): Row | undefined;
  all(...parameters: readonly SQLInputValue[]): Row[];
  iterate(...parameters: readonly SQLInputValue[]): IterableIterator<Row>;
  run(...parameters: readonly SQLInputValue[]): { readonly changes: number; readonly lastInsertRowid: number };
}

/** Prepares a statement. @typeParam Row What the SQL selects; the schema is STRICT, so the columns have their types. */
export function prepareQuery<Row = never>(db: DatabaseSync, sql: string): Query<Row> {
  return db.prepare(sql) as unknown as Query<Row>;
}

/** Ends an ask with a refusal: its savepoint is undone, and the asker is told code and text. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, text: string) {
    super(text);
    this.code = code;
  }
}

/** Refuses a text that would read back shorter than it was written: node:sqlite ends texts at NUL. */
export function refuseNul(text: string): void {
  if (text.includes("\0")) throw new Refusal("unsafeName", "a name holds a NUL character");
}
