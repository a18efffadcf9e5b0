/**
 * receipt: what a finished fetch leaves: which bytes came, from whom, and when. Law: it proves the bytes, by their id, and not who sent
 * them: nobody has signed it.  Spec: docs/cli.md "JSON lines".  (pure)
 */

import * as v from "valibot";
import { type Content, type ContentId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";

/** Who delivered how much. */
export interface ReceiptHolder {
  readonly account: string;
  /** What the device was called. */
  readonly device: string;
  /** The device's key; empty where it is not known any more. */
  readonly deviceId: string;
  readonly bytes: number;
}

export interface Receipt {
  readonly name: string;
  /** Where the file was put: absolute. */
  readonly path: string;
  readonly content: Content;
  /** Nobody, if the content was there already. */
  readonly holders: readonly ReceiptHolder[];
  /** Bytes that the last run fetched, which is what `holders` tells of; the rest came in runs before it. */
  readonly fetchedBytes: number;
  /** When it was asked for, and when it was done; milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  /** The coordinator, as a numeric endpoint. */
  readonly coordinator: string;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(4096));
const lineSchema = v.object({
  type: v.literal("receipt"),
  name: text,
  path: v.pipe(text, v.startsWith("/")),
  bytes: v.pipe(count, v.maxValue(limits.fileBytesMax)),
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  holders: v.array(v.object({ account: text, device: text, deviceId: text, bytes: count })),
  fetchedBytes: count,
  startedAtMs: count,
  finishedAtMs: count,
  coordinator: text,
});

/** Reads a receipt out of a file: the JSON line that `receipts --json` prints. Undefined for anything else. */
export function parseReceipt(line: string): Receipt | undefined {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return undefined;
  }
  const parsed = v.safeParse(lineSchema, json);
  if (!parsed.success) return undefined;
  const { type: _, id, bytes, ...rest } = parsed.output;
  return { ...rest, content: { id: id as ContentId, bytes } };
}
