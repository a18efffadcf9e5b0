/**
 * cbor: the field codecs that payloads are put together from: which values of cbor_item.ts are legal where. Laws: 1) decoding returns a
 * result for any bytes and never throws;  2) every field has a limit, held in both directions.
 * Spec: PROTOCOL.md "Payload encoding".  (pure)
 */

import { Buffer } from "node:buffer";
import { type Bytes, formatHex, parseHex } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import { type CborValue, illegal, readItem, writeItem } from "./cbor_item.ts";

export { type CborValue, illegal };

/** One field of a message: how a value is written, and what is legal when it is read. */
export interface Field<T> {
  /** @throws {RangeError} If the value is over the field's limit: our own mistake. */
  toCbor(value: T): CborValue;
  fromCbor(value: unknown): T;
}

/** The type of value that a field carries. */
export type ValueOf<F> = F extends Field<infer T> ? T : never;

/** Encodes a value built by fields. */
export function encodeCbor(value: CborValue): Bytes {
  return writeItem(value);
}

/** Decodes one whole value by its field; trailing bytes are illegal. */
export function decodeCbor<T>(bytes: Uint8Array, field: Pick<Field<T>, "fromCbor">): Result<T> {
  try {
    return ok(field.fromCbor(readItem(bytes)));
  } catch (error) {
    // Nothing but bytes that are illegal, and values that a field refuses, throws in here.
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** An integer `min … max`; `max` is at most 2^53−1. */
export function uint(max: number = Number.MAX_SAFE_INTEGER, min = 0): Field<number> {
  const legal = (value: unknown): value is number =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max;
  return {
    toCbor(value) {
      if (!legal(value)) throw new RangeError(`Not an integer ${min} … ${max}: ${value}`);
      return value;
    },
    fromCbor: (value) => legal(value) ? value : illegal(`not an integer ${min} … ${max}`),
  };
}

/** Text of `min … max` UTF-8 bytes. Untrusted: it is escaped where it is shown and checked where it becomes a path. */
export function text(max: number, min = 0): Field<string> {
  const legal = (value: unknown): value is string => {
    if (typeof value !== "string" || value.length > max || !value.isWellFormed()) return false;
    // Others put U+FFFD where UTF-8 was broken, and two names must not become one; nor is one written that nobody reads.
    if (value.includes("\ufffd")) return false;
    const size = Buffer.byteLength(value, "utf8");
    return size >= min && size <= max;
  };
  return {
    toCbor(value) {
      if (!legal(value)) throw new RangeError(`Not a text of ${min} … ${max} bytes`);
      return value;
    },
    fromCbor: (value) => legal(value) ? value : illegal(`not a text of ${min} … ${max} bytes`),
  };
}

/** A byte string of `min … max` bytes, copied out of the datagram. */
export function bytes(max: number, min = max): Field<Bytes> {
  const legal = (value: unknown): value is Uint8Array =>
    value instanceof Uint8Array && value.length >= min && value.length <= max;
  return {
    toCbor(value) {
      if (!legal(value)) throw new RangeError(`Not ${min} … ${max} bytes`);
      return value;
    },
    fromCbor: (value) => legal(value) ? value as Bytes : illegal(`not ${min} … ${max} bytes`),
  };
}

/** A 32-byte id, held as lower-case hex. */
export function hexId<T extends string>(): Field<T> {
  return {
    toCbor(value) {
      const raw = parseHex(value);
      if (raw?.length !== 32) throw new RangeError("Not a 32-byte id");
      return raw;
    },
    fromCbor: (value) =>
      value instanceof Uint8Array && value.length === 32 ? formatHex(value) as T : illegal("not a 32-byte id"),
  };
}

/** True or false. */
export const flag: Field<boolean> = {
  toCbor: (value) => value,
  fromCbor: (value) => typeof value === "boolean" ? value : illegal("not a flag"),
};

/** The value or null. */
export function optional<T>(field: Field<T>): Field<T | null> {
  return {
    toCbor: (value) => value === null ? null : field.toCbor(value),
    fromCbor: (value) => value === null ? null : field.fromCbor(value),
  };
}

/** One of a fixed table of words, written as its index. */
export function choice<const W extends readonly string[]>(words: W): Field<W[number]> {
  return {
    toCbor(value) {
      const index = words.indexOf(value);
      if (index < 0) throw new RangeError(`Not one of ${words.join(", ")}: ${value}`);
      return index;
    },
    fromCbor: (value) =>
      typeof value === "number" ? words[value] ?? illegal("an unknown choice") : illegal("no choice"),
  };
}

/** Up to `max` items. */
export function list<T>(item: Field<T>, max: number): Field<readonly T[]> {
  return {
    toCbor(values) {
      if (values.length > max) throw new RangeError(`More than ${max} items`);
      return values.map((value) => item.toCbor(value));
    },
    fromCbor: (value) =>
      Array.isArray(value) && value.length <= max
        ? value.map((one) => item.fromCbor(one))
        : illegal(`not a list of at most ${max}`),
  };
}

// deno-lint-ignore no-explicit-any -- a record of fields of any value types; each keeps its own through ValueOf.
type AnyFields = Readonly<Record<string, Field<any>>>;

/** The object whose properties a record of fields carries. */
export type ObjectOf<F extends AnyFields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/**
 * An object, written as an array of its fields in the order of the record. Items after the last known one are ignored,
 * so that a later version can append fields.
 */
export function record<F extends AnyFields>(fields: F): Field<ObjectOf<F>> {
  const entries = Object.entries(fields);
  return {
    toCbor: (value) => entries.map(([name, field]) => field.toCbor(value[name as keyof typeof value])),
    fromCbor(value) {
      if (!Array.isArray(value) || value.length < entries.length) illegal("too few fields");
      const object: Record<string, unknown> = {};
      for (let i = 0; i < entries.length; i++) object[entries[i]![0]] = entries[i]![1].fromCbor(value[i]);
      return object as ObjectOf<F>;
    },
  };
}

export type { AnyFields };
