/** sqlite_query: prepared statements with the type of their rows. */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";

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
