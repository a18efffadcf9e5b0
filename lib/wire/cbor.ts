/**
 * cbor: the deterministic subset of RFC 8949 that payloads use, and the field codecs they are put together from.
 * Laws: 1) only unsigned integers up to 2^53−1, byte strings, text, arrays, booleans and null exist: no maps, so no
 * duplicate or `__proto__` keys; no floats, tags, negative numbers or indefinite lengths;  2) decoding returns a result
 * for any bytes and never throws;  3) every field has a limit, held in both directions.
 * Spec: PROTOCOL.md "Payload encoding".  (pure)
 */

import { Buffer } from "node:buffer";
import { decode, encode } from "cborg";
import { type Bytes, formatHex, parseHex } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import { limits } from "../core/limits.ts";

/** What a payload can hold. */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[];

/** Thrown inside decoding alone, and turned into a result at its edge. */
class Illegal extends Error {}

function illegal(reason: string): never {
  throw new Illegal(reason);
}

/** One field of a message: how a value is written, and what is legal when it is read. */
export interface Field<T> {
  /** @throws {RangeError} If the value is over the field's limit: our own mistake. */
  toCbor(value: T): CborValue;
  fromCbor(value: unknown): T;
}

/** The type of value that a field carries. */
export type ValueOf<F> = F extends Field<infer T> ? T : never;

const decodeOptions = {
  strict: true,
  useMaps: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
} as const;

/** Encodes a value built by fields. */
export function encodeCbor(value: CborValue): Bytes {
  // The library answers a Buffer where it has written long text: its slice() is a view, everybody else's a copy.
  const { buffer, byteOffset, byteLength } = encode(value) as Bytes;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Checks nesting before the library recurses: arrays alone nest, and each costs at least its one head byte. */
function depthIsLegal(bytes: Uint8Array): boolean {
  let depth = 0;
  const left: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const major = bytes[at]! >> 5;
    const info = bytes[at]! & 31;
    at++;
    let argument = info;
    if (info >= 24 && info <= 26) {
      const size = 1 << (info - 24);
      argument = 0;
      for (let i = 0; i < size; i++) argument = argument * 256 + (bytes[at + i] ?? 0);
      at += size;
    } else if (info === 27) {
      at += 8;
      if (major !== 0) return false;
    } else if (info > 27) {
      return false;
    }
    if (major === 1 || major === 5 || major === 6) return false;
    if (major === 7 && info !== 20 && info !== 21 && info !== 22) return false;
    if (major === 2 || major === 3) at += argument;
    if (left.length > 0) left[left.length - 1]!--;
    if (major === 4 && argument > 0) {
      depth = left.push(argument);
      if (depth > limits.cborDepthMax) return false;
    }
    while (left.length > 0 && left[left.length - 1] === 0) left.pop();
  }
  return true;
}

/** Decodes one whole value by its field; trailing bytes are illegal. */
export function decodeCbor<T>(bytes: Uint8Array, field: Pick<Field<T>, "fromCbor">): Result<T> {
  if (!depthIsLegal(bytes)) return fail("a construct outside the payload subset");
  try {
    return ok(field.fromCbor(decode(bytes, decodeOptions)));
  } catch (error) {
    // cborg throws Error for malformed bytes, fields throw Illegal; nothing else runs in here.
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
    // The library puts U+FFFD where UTF-8 was broken, and two names must not become one; nor is one written that nobody reads.
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
    fromCbor: (value) => legal(value) ? new Uint8Array(value) : illegal(`not ${min} … ${max} bytes`),
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
