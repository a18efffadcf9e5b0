/**
 * part_file: a download on its way to disk: NAME.part beside its final name, and a journal in the peer's state folder.
 * Laws: 1) only bytes that the caller has verified are written, and after a restart each piece is hashed again before it
 * counts;  2) the final name appears by one rename, after every piece is there (whose hashes make up the root) and the
 * file is synced;  3) a `.part` that this download did not make is not touched (part_claim);  4) whatever fails, the part and the journal stay, and the
 * same call goes on from there.  (I/O: files)
 */

import { StoreError, storeErrorFrom } from "../core/errors.ts";
import { mib } from "../core/limits.ts";
import { chooseFinalPath, type Destination, findFetchedIn, type OnExists } from "./final_name.ts";
import { Journal } from "./journal.ts";
import { isOpenAt, lockedByOther } from "./locked_file.ts";
import type { Manifest } from "./manifest.ts";
import { checkSpace, claimPart, type PartClaim, releaseClaim } from "./part_claim.ts";
import { TargetFolder } from "./target_folder.ts";

export interface PartOptions extends Omit<Destination, "content"> {
  /** What is fetched, and the proof of its pieces. */
  readonly manifest: Manifest;
  /** Holds the journals: in the peer's state, never in the download folder. */
  readonly journalFolder: string;
}

/** The content is there already, or there is something to fetch. */
export type OpenedPart =
  | { readonly kind: "complete"; readonly path: string }
  | { readonly kind: "part"; readonly part: PartFile };

/** A part that is open, for another thread to open it too. */
export interface PartTarget {
  readonly path: string;
  readonly dev: number;
  readonly ino: number | null;
}

/** Writes the verified pieces of a part whose PartFile another thread has. */
export class PartWriter implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  /** @throws {StoreError} If it cannot be opened, or somebody put another file there. */
  constructor({ path, dev, ino }: PartTarget) {
    this.#path = path;
    try {
      this.#file = Deno.openSync(path, { write: true });
    } catch (error) {
      throw storeErrorFrom(error, "write", path);
    }
    const found = this.#file.statSync();
    if (found.dev === dev && found.ino === ino) return;
    this.#file.close();
    throw new StoreError("io", "write", path, "somebody else replaced it");
  }

  /** @throws {StoreError} With code `diskFull`, if there is no room. */
  write(offset: number, bytes: Uint8Array): void {
    writePiece(this.#file, this.#path, offset, bytes);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function writePiece(file: Deno.FsFile, path: string, offset: number, bytes: Uint8Array): void {
  try {
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } catch (error) {
    throw storeErrorFrom(error, "write", path);
  }
}

/** Bytes that are flushed together while a download runs. */
const flushBytes = 32 * mib;

export class PartFile implements Disposable {
  readonly manifest: Manifest;
  /** Where the bytes are until `finish`. */
  readonly path: string;
  /** Bytes of pieces that an earlier run had asked for and not noted as verified: they are fetched a second time. */
  readonly refetchedBytes: number;
  readonly #target: TargetFolder;
  readonly #file: Deno.FsFile;
  readonly #journal: Journal;
  readonly #onExists: OnExists;
  /** 1 for each piece that is verified and written. */
  readonly #verified: Uint8Array;
  readonly #watchers = new Set<(index: number) => void>();
  #doneBytes = 0;
  #flushedBytes = 0;
  #flushing: Promise<void> | undefined;
  #closed = false;

  private constructor(options: PartOptions, target: TargetFolder, journal: Journal, claim: PartClaim) {
    this.manifest = options.manifest;
    this.path = claim.path;
    this.refetchedBytes = claim.refetchedBytes;
    this.#target = target;
    this.#file = claim.file;
    this.#journal = journal;
    this.#onExists = options.onExists;
    this.#verified = claim.verified;
    for (let index = 0; index < this.manifest.pieceCount; index++) {
      if (this.has(index)) this.#doneBytes += this.manifest.pieceRange(index).bytes;
    }
  }

  /**
   * Opens the download of a content to its destination: a new one, or one that was interrupted.
   * @throws {StoreError} With code `exists`, if the name is taken and must stay, or the same download is running;
   * `diskFull`, if there is no room; `io`, for a folder or `.part` that is not what it must be.
   */
  static async open(options: PartOptions): Promise<OpenedPart> {
    const { manifest, folder, name, onExists, signal, journalFolder } = options;
    const { content } = manifest;
    const target = TargetFolder.open(folder, name);
    const finalPath = target.pathOf(target.fileName);
    const journal = Journal.open(journalFolder, finalPath, content);
    if (journal === undefined) throw lockedByOther(finalPath);
    let claim: PartClaim | undefined;
    try {
      const path = await findFetchedIn(target, { content, onExists, signal });
      if (path !== undefined) {
        journal.remove();
        return { kind: "complete", path };
      }
      claim = await claimPart({ target, journal, manifest, onExists, signal });
      checkSpace(target.path, content.bytes, claim.file);
      claim.file.truncateSync(content.bytes);
      return { kind: "part", part: new PartFile(options, target, journal, claim) };
    } catch (error) {
      if (claim !== undefined) releaseClaim(claim);
      // A journal that this run made is of no use to a later one.
      if (journal.isResumed) journal.close();
      else journal.remove();
      signal?.throwIfAborted();
      throw storeErrorFrom(error, "write", claim?.path ?? finalPath);
    }
  }

  /** Bytes of the pieces that are verified and written. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Whether it is finished, or was left. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Tells whether piece `index` is verified and written. */
  has(index: number): boolean {
    return this.#verified[index] === 1;
  }

  /** The pieces that are still to be fetched, in order. */
  *missing(): Generator<number, void, undefined> {
    for (let index = 0; index < this.manifest.pieceCount; index++) {
      if (!this.has(index)) yield index;
    }
  }

  /** Notes that a piece is asked for, before it is. @throws {StoreError} If the disk fails. */
  asked(index: number): void {
    this.#journal.noteAsked(index);
  }

  /**
   * Writes a piece that the caller has verified, and notes it.
   * @throws {RangeError} If `bytes` has not the piece's length.
   * @throws {StoreError} With code `diskFull`, if there is no room; what was written before stays.
   */
  writeVerified(index: number, bytes: Uint8Array): void {
    const range = this.manifest.pieceRange(index);
    if (bytes.length !== range.bytes) {
      throw new RangeError(`Piece ${index} has ${range.bytes} bytes, not ${bytes.length}`);
    }
    if (this.has(index)) return;
    writePiece(this.#file, this.path, range.offset, bytes);
    this.noteWritten(index);
  }

  /** Notes a piece that somebody else verified and wrote: a thread that has a `PartWriter`. @throws {StoreError} If the disk fails. */
  noteWritten(index: number): void {
    if (this.has(index)) return;
    this.#journal.noteVerified(index);
    this.#verified[index] = 1;
    this.#doneBytes += this.manifest.pieceRange(index).bytes;
    for (const tell of this.#watchers) tell(index);
  }

  /** Tells of each further piece, until the answer is disposed. */
  watch(tell: (index: number) => void): Disposable {
    this.#watchers.add(tell);
    return { [Symbol.dispose]: () => void this.#watchers.delete(tell) };
  }

  /** Which pieces are verified and written: bit 7 of byte 0 is piece 0. */
  bitfield(): Uint8Array {
    const bits = new Uint8Array(Math.ceil(this.manifest.pieceCount / 8));
    for (let index = 0; index < this.manifest.pieceCount; index++) {
      if (this.has(index)) bits[index >> 3]! |= 0x80 >> (index & 7);
    }
    return bits;
  }

  /** Tells another thread which file to open. */
  get target(): PartTarget {
    const { dev, ino } = this.#file.statSync();
    return { path: this.path, dev, ino };
  }

  /**
   * Brings what is written to the disk beside the download, a good deal at a time, so that a synced `finish` has little to wait for.
   * What fails here fails again there, and is told there.
   */
  flushBehind(): void {
    if (this.#flushing !== undefined || this.#doneBytes - this.#flushedBytes < flushBytes) return;
    this.#flushedBytes = this.#doneBytes;
    this.#flushing = this.#file.syncData().catch(() => {}).finally(() => this.#flushing = undefined);
  }

  /**
   * Reads into all of `buffer` from `offset` within a verified piece on, to serve it on.
   * @throws {RangeError} If the piece is not verified or the range leaves it.
   * @throws {StoreError} If the disk fails.
   */
  read(index: number, offset: number, buffer: Uint8Array): void {
    const range = this.manifest.pieceRange(index);
    if (!this.has(index) || offset < 0 || offset + buffer.length > range.bytes) {
      throw new RangeError(`No verified bytes: piece ${index}, ${offset} … ${offset + buffer.length}`);
    }
    try {
      this.#file.seekSync(range.offset + offset, Deno.SeekMode.Start);
      for (let at = 0; at < buffer.length;) {
        const got = this.#file.readSync(buffer.subarray(at));
        if (got === null) throw new StoreError("io", "read", this.path, "it was truncated by somebody else");
        at += got;
      }
    } catch (error) {
      throw storeErrorFrom(error, "read", this.path);
    }
  }

  /**
   * Gives the finished download its name, answers the final path, and closes. With `sync`, file and name survive a loss
   * of power from then on.
   * @throws {RangeError} If pieces are missing.
   * @throws {StoreError} With code `exists`, if the name was taken meanwhile; `io`, if the part or a folder was swapped.
   * The part and the journal then stay, and the part stays open.
   */
  async finish(options: { readonly sync: boolean }): Promise<string> {
    if (!this.#verified.every((state) => state === 1)) throw new RangeError("Pieces are still missing");
    try {
      await this.#flushing;
      if (options.sync) await this.#file.sync();
      // From here to the rename nothing waits, so that nothing else of this process comes between.
      this.#target.check();
      if (!isOpenAt(this.#file, this.path) || this.#file.statSync().size !== this.manifest.content.bytes) {
        throw new StoreError("io", "finish", this.path, "somebody else replaced or changed it");
      }
      const path = chooseFinalPath(this.#target, this.#onExists);
      Deno.renameSync(this.path, path);
      if (options.sync) this.#target.sync();
      this.#journal.remove();
      this.close();
      return path;
    } catch (error) {
      throw storeErrorFrom(error, "finish", this.path);
    }
  }

  /** Closes and keeps part and journal, for the next run. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.#journal.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
