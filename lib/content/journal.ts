/**
 * journal: what an unfinished download has asked for and has verified, in the peer's state folder. Laws: 1) it is a hint:
 * whoever opens it hashes each piece that it calls verified before that counts, so no damage to it can pass a wrong piece;
 * 2) it is appended to and never synced: what a crash or a loss of power takes is fetched again, and no more;  3) its file
 * is locked while the download runs, so that one content is fetched once to one place;  4) a damaged journal, or one of an
 * older schema, is begun anew; a newer one is refused.
 *
 * | offset | size | field | rule |
 * |---|---|---|---|
 * | 0 | 8 | magic | "SHOALJNL" |
 * | 8 | 2 | schema | 1; big-endian, as all numbers here |
 * | 10 | 2 | part | number in the partial file's name: 0 is NAME.part, 1 is "NAME (1).part" |
 * | 12 | 4 | path length | bytes |
 * | 16 | 32 | content id | |
 * | 48 | 8 | content size | bytes |
 * | 56 | n | path | UTF-8; then zeros up to a multiple of 8 |
 * | … | 8 each | records | tag ("askd" or "vrfd"), piece index; any other tag, and a torn last record, is ignored |
 *
 * (I/O: files)
 */

import { createHash } from "node:crypto";
import { bytesEqual, formatHex, utf8 } from "../core/bytes.ts";
import { newerSchema, storeErrorFrom } from "../core/errors.ts";
import { type Content, contentKey, idBytes } from "../core/ids.ts";
import { isOpenAt, lstatOrUndefined, openLocked } from "./locked_file.ts";
import { pieceCount } from "./merkle.ts";

const magic = utf8("SHOALJNL");
const schemaVersion = 1;
const fixedHeaderBytes = 56;
const recordBytes = 8;
const tags = { asked: 0x61736b64, verified: 0x76726664 } as const;

/** What the journal says of a piece. */
type PieceState = 0 | 1 | 2;
const [unasked, asked, verified] = [0, 1, 2] as const;

export class Journal implements Disposable {
  readonly path: string;
  /** Whether an earlier run left it: its file and a header that fits. */
  readonly isResumed: boolean;
  readonly #file: Deno.FsFile;
  readonly #header: Uint8Array<ArrayBuffer>;
  readonly #states: Uint8Array;
  readonly #record = new DataView(new ArrayBuffer(recordBytes));
  /** Where the next record goes: said at each write, so that a write that failed half-way is written over. */
  #endBytes: number;
  #closed = false;

  private constructor(path: string, file: Deno.FsFile, content: Content, fresh: Uint8Array<ArrayBuffer>) {
    this.path = path;
    this.#file = file;
    this.#states = new Uint8Array(pieceCount(content.bytes));
    const stored = readAll(file);
    this.isResumed = headerFits(path, stored, fresh);
    this.#header = this.isResumed ? stored.slice(0, fresh.length) : fresh;
    this.#endBytes = this.#header.length;
    if (this.isResumed) this.#replay(stored);
  }

  /**
   * Opens the journal of the download of `content` to `targetPath`, making it if need be; undefined if that download is
   * running already, here or in another process.
   * @throws {StoreError} If it cannot, or if a newer program wrote it.
   */
  static open(folder: string, targetPath: string, content: Content): Journal | undefined {
    const path = pathOf(folder, targetPath, content);
    let file: Deno.FsFile | undefined;
    try {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      file = openLocked(path, 0o600)?.file;
      return file && new Journal(path, file, content, encodeHeader(targetPath, content));
    } catch (error) {
      file?.close();
      throw storeErrorFrom(error, "open", path);
    }
  }

  /** Tells whether there is a journal of that download. @throws {StoreError} If nobody may look. */
  static isThere(folder: string, targetPath: string, content: Content): boolean {
    return lstatOrUndefined(pathOf(folder, targetPath, content)) !== undefined;
  }

  /** The number in the partial file's name; 0 until `begin`. */
  get partNumber(): number {
    return viewOf(this.#header).getUint16(10);
  }

  /** Tells whether a piece was asked for, now or in an earlier run. */
  wasAsked(index: number): boolean {
    return this.#states[index] !== unasked;
  }

  /** Tells whether a piece was noted as verified: a hint, which a later `noteVerified` need not repeat. */
  wasVerified(index: number): boolean {
    return this.#states[index] === verified;
  }

  /** Begins anew with the partial file's number and no records. @throws {StoreError} If the disk fails. */
  begin(partNumber: number): void {
    viewOf(this.#header).setUint16(10, partNumber);
    this.#states.fill(unasked);
    try {
      this.#file.truncateSync(0);
      this.#endBytes = 0;
      this.#append(this.#header);
    } catch (error) {
      throw storeErrorFrom(error, "write", this.path);
    }
  }

  /** Notes that a piece is asked for. @throws {StoreError} If the disk fails. */
  noteAsked(index: number): void {
    if (this.#states[index] === unasked) this.#note(index, asked);
  }

  /** Notes that a piece was verified and written. @throws {StoreError} If the disk fails. */
  noteVerified(index: number): void {
    if (this.#states[index] !== verified) this.#note(index, verified);
  }

  /** Removes the file and closes. @throws {StoreError} If it cannot. */
  remove(): void {
    try {
      if (isOpenAt(this.#file, this.path)) Deno.removeSync(this.path);
    } catch (error) {
      throw storeErrorFrom(error, "remove", this.path);
    } finally {
      this.close();
    }
  }

  /** Closes and keeps the file. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #replay(stored: Uint8Array): void {
    const view = viewOf(stored);
    for (; this.#endBytes + recordBytes <= stored.length; this.#endBytes += recordBytes) {
      const tag = view.getUint32(this.#endBytes);
      const index = view.getUint32(this.#endBytes + 4);
      // An index beyond the last piece is no element of the array, and writing to it does nothing.
      if (tag === tags.verified) this.#states[index] = verified;
      else if (tag === tags.asked && this.#states[index] === unasked) this.#states[index] = asked;
    }
  }

  #note(index: number, state: PieceState): void {
    this.#record.setUint32(0, state === verified ? tags.verified : tags.asked);
    this.#record.setUint32(4, index);
    try {
      this.#append(new Uint8Array(this.#record.buffer));
    } catch (error) {
      throw storeErrorFrom(error, "write", this.path);
    }
    this.#states[index] = state;
  }

  #append(bytes: Uint8Array): void {
    this.#file.seekSync(this.#endBytes, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    this.#endBytes += bytes.length;
  }
}

/** Where the journal of a download is. */
function pathOf(folder: string, targetPath: string, content: Content): string {
  const key = createHash("sha256").update(utf8(`${targetPath}\0${contentKey(content)}`)).digest();
  return `${folder}/${formatHex(key)}.journal`;
}

/** The header of a new journal. */
function encodeHeader(targetPath: string, content: Content): Uint8Array<ArrayBuffer> {
  const path = utf8(targetPath);
  const header = new Uint8Array(Math.ceil((fixedHeaderBytes + path.length) / recordBytes) * recordBytes);
  const view = viewOf(header);
  header.set(magic);
  view.setUint16(8, schemaVersion);
  view.setUint32(12, path.length);
  header.set(idBytes(content.id), 16);
  view.setBigUint64(48, BigInt(content.bytes));
  header.set(path, fixedHeaderBytes);
  return header;
}

/**
 * Tells whether a stored journal is of the download that `fresh` is the header of: all but the part's number is equal.
 * @throws {StoreError} If a newer program wrote it.
 */
function headerFits(path: string, stored: Uint8Array, fresh: Uint8Array): boolean {
  if (stored.length < fixedHeaderBytes || !bytesEqual(stored.subarray(0, 8), magic)) return false;
  const found = viewOf(stored).getUint16(8);
  if (found > schemaVersion) throw newerSchema(path, found, schemaVersion);
  return stored.length >= fresh.length && bytesEqual(stored.subarray(8, 10), fresh.subarray(8, 10)) &&
    bytesEqual(stored.subarray(12, fresh.length), fresh.subarray(12));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readAll(file: Deno.FsFile): Uint8Array<ArrayBuffer> {
  const stored = new Uint8Array(file.statSync().size);
  let count = 0;
  while (count < stored.length) {
    const got = file.readSync(stored.subarray(count));
    if (got === null) break;
    count += got;
  }
  return stored.slice(0, count);
}
