/**
 * state_file: a JSON file of the state folder, for its owner alone, with the number of its schema in it. Laws: 1) it appears whole or not at
 * all;  2) one that is damaged, or a newer program's, is refused and left as it is: to forget what it holds would undo its purpose;
 * 3) a key in it may be called anything; somebody's account may be `constructor`.  (I/O: one 0600 file)
 */

import * as v from "valibot";
import { newerSchema, StoreError } from "../core/errors.ts";
import { readPrivateFile, writePrivateFile } from "./home.ts";

const schemaVersion = 1;

export interface StateFile<S extends v.GenericSchema> {
  readonly path: string;
  /** Of everything in it but its number. */
  readonly content: S;
  /** What it holds, as errors call it, and how to go on without it. */
  readonly what: string;
  readonly hint: string;
}

/**
 * Reads a file; undefined where there is none.
 * @throws {StoreError} If it is damaged, a newer program wrote it, or others can read it.
 */
export function readStateFile<S extends v.GenericSchema>(
  { path, content, what, hint }: StateFile<S>,
): v.InferOutput<S> | undefined {
  const bytes = readPrivateFile(path);
  if (bytes === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    parsed = undefined;
  }
  const schema = (parsed as { schema?: unknown } | null | undefined)?.schema;
  if (typeof schema === "number" && schema > schemaVersion) throw newerSchema(path, schema, schemaVersion);
  const read = v.safeParse(content, parsed);
  if (schema === schemaVersion && read.success) return read.output;
  throw new StoreError("io", `use ${what} in`, path, "it is damaged", { hint });
}

/** Writes what is to be in a file; a Map becomes an object. Durable when it returns. */
export function writeStateFile(path: string, content: object): void {
  const text = JSON.stringify({ schema: schemaVersion, ...content }, mapsAsObjects, 1) + "\n";
  writePrivateFile(path, new TextEncoder().encode(text));
}

/** Reads an object as a Map; valibot's own record leaves out `__proto__`, `constructor` and `prototype`. */
export function jsonMap<const S extends v.GenericSchema>(value: S) {
  return v.pipe(
    v.custom<object>((input) => typeof input === "object" && input !== null && !Array.isArray(input)),
    v.transform((object): unknown => Object.entries(object)),
    v.array(v.tuple([v.string(), value])),
    v.transform((entries) => new Map(entries as [string, v.InferOutput<S>][])),
  );
}

function mapsAsObjects(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}
