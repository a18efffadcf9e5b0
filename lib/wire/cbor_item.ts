/**
 * cbor_item: one item of the deterministic subset of RFC 8949 that payloads use, bytes ↔ values. Laws: 1) only unsigned integers up to
 * 2^53−1, byte strings, text, arrays, booleans and null exist: no maps, so no duplicate or `__proto__` keys; no floats, tags, negative
 * numbers or indefinite lengths;  2) a value has one encoding, and no other is read;  3) reading recurses no deeper than
 * limits.cborDepthMax, and makes no more than the bytes that are there pay for.  Spec: PROTOCOL.md "Payload encoding".  (pure)
 *
 *     every item    major type, 3 bits; argument below 24, or 24, 25, 26, 27 and the argument in the next 1, 2, 4, 8 bytes
 *       0  unsigned integer: the argument      2, 3  byte string, text: so many bytes follow
 *       4  array: so many items follow         7     20 false, 21 true, 22 null
 */

import { Buffer } from "node:buffer";
import type { Bytes } from "../core/bytes.ts";
import { limits } from "../core/limits.ts";

/** What a payload can hold. */
export type CborValue = number | string | boolean | null | Uint8Array | Written | readonly CborValue[];

/** An item that was written before, as `writeItem` returned it; it is never read. */
export class Written {
  readonly bytes: Bytes;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
  }
}

const majors = { uint: 0, bytes: 2, text: 3, array: 4, simple: 7 } as const;
const simple = { false: 20, true: 21, null: 22 } as const;

/** Thrown for bytes that are no legal item, and for what a field does not take; whoever decodes turns it into a result. */
export class Illegal extends Error {}

export function illegal(reason: string): never {
  throw new Illegal(reason);
}

// ---- reading ----

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What is read and how far: one at a time, for nothing in between waits. */
let input: Uint8Array = new Uint8Array(0);
let at = 0;

/** Reads one whole item; byte strings are copies. @throws {Illegal} If it is not of the subset, or more follows. */
export function readItem(bytes: Uint8Array): CborValue {
  input = bytes;
  at = 0;
  const value = next(0);
  if (at !== bytes.length) illegal("trailing bytes");
  return value;
}

function next(depth: number): CborValue {
  const head = byte();
  const major = head >> 5;
  if (major === majors.simple) return simpleValue(head & 31);
  const argument = readArgument(head & 31);
  switch (major) {
    case majors.uint:
      return argument;
    case majors.bytes:
      return copy(argument);
    case majors.text:
      return text(argument);
    case majors.array:
      return array(argument, depth);
    default:
      return illegal("a construct outside the payload subset");
  }
}

function byte(): number {
  return at < input.length ? input[at++]! : illegal("less than it says");
}

/** Moves over so many bytes, and tells where they end. */
function take(size: number): number {
  if (size > input.length - at) illegal("less than it says");
  return at += size;
}

/** Not by slice(): of a Buffer that is a view. */
function copy(size: number): Bytes {
  const from = at;
  take(size);
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = input[from + i]!;
  return bytes;
}

function readArgument(info: number): number {
  if (info < 24) return info;
  if (info > 27) return illegal("an indefinite or reserved length");
  let value = 0;
  for (let left = 1 << (info - 24); left > 0; left--) value = value * 256 + byte();
  if (value < shortest[info - 24]!) illegal("a number that is not in its shortest form");
  return value <= Number.MAX_SAFE_INTEGER ? value : illegal("a number over 2^53 − 1");
}

/** The smallest arguments that 1, 2, 4 and 8 bytes are for. */
const shortest = [24, 0x100, 0x1_0000, 0x1_0000_0000] as const;

function text(size: number): string {
  const from = at;
  const to = take(size);
  let ascii = "";
  for (let i = from; i < to; i++) {
    const unit = input[i]!;
    // Most texts are short, and most names plain: for these the decoder's call costs more than the text.
    if (unit >= 0x80 || i - from === 32) return decodeUtf8(from, to);
    ascii += String.fromCharCode(unit);
  }
  return ascii;
}

function decodeUtf8(from: number, to: number): string {
  try {
    return utf8.decode(input.subarray(from, to));
  } catch {
    return illegal("text that is not UTF-8");
  }
}

function array(size: number, depth: number): readonly CborValue[] {
  if (size === 0) return [];
  if (depth === limits.cborDepthMax) illegal("nested too deep");
  if (size > input.length - at) illegal("less than it says");
  const items: CborValue[] = [];
  for (let i = 0; i < size; i++) items.push(next(depth + 1));
  return items;
}

function simpleValue(info: number): boolean | null {
  switch (info) {
    case simple.false:
      return false;
    case simple.true:
      return true;
    case simple.null:
      return null;
    default:
      return illegal("a construct outside the payload subset");
  }
}

// ---- writing ----

/** What is written and how far; grows to the largest item there was. */
let output: Bytes = new Uint8Array(2048);
let length = 0;

/** Writes one item. @throws {RangeError} If a number is none of the subset's. */
export function writeItem(value: CborValue): Bytes {
  length = 0;
  write(value);
  return output.slice(0, length);
}

function write(value: CborValue): void {
  switch (typeof value) {
    case "number":
      return writeHead(majors.uint, value);
    case "string":
      return writeText(value);
    case "boolean":
      return writeHead(majors.simple, value ? simple.true : simple.false);
  }
  if (value === null) return writeHead(majors.simple, simple.null);
  if (value instanceof Uint8Array) return writeBytes(majors.bytes, value);
  if (value instanceof Written) return append(value.bytes);
  writeHead(majors.array, value.length);
  for (const item of value) write(item);
}

function makeRoom(size: number): void {
  if (length + size <= output.length) return;
  const larger = new Uint8Array(2 * (length + size));
  larger.set(output.subarray(0, length));
  output = larger;
}

function writeHead(major: number, argument: number): void {
  if (!Number.isSafeInteger(argument) || argument < 0) throw new RangeError(`Not an integer of a payload: ${argument}`);
  makeRoom(9);
  if (argument < shortest[0]) {
    output[length++] = major << 5 | argument;
    return;
  }
  const sizeLog = argument < shortest[1] ? 0 : argument < shortest[2] ? 1 : argument < shortest[3] ? 2 : 3;
  output[length++] = major << 5 | 24 + sizeLog;
  const size = 1 << sizeLog;
  for (let i = size - 1, rest = argument; i >= 0; i--, rest = Math.floor(rest / 256)) output[length + i] = rest % 256;
  length += size;
}

function writeBytes(major: number, bytes: Uint8Array): void {
  writeHead(major, bytes.length);
  append(bytes);
}

function append(bytes: Uint8Array): void {
  makeRoom(bytes.length);
  output.set(bytes, length);
  length += bytes.length;
}

function writeText(value: string): void {
  const before = length;
  writeHead(majors.text, value.length);
  makeRoom(value.length);
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit >= 0x80) {
      length = before;
      return writeBytes(majors.text, Buffer.from(value, "utf8"));
    }
    output[length++] = unit;
  }
}
