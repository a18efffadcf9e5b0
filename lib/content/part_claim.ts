/**
 * part_claim: finds the partial file that a download may write. Laws: 1) a part counts as this download's if its journal
 * names it and its size fits, if a piece of it is right (a part whose journal was lost), or if it is empty; any other is
 * somebody else's, and only `overwrite` takes it;  2) one that somebody has open for a download is never taken;  3) a
 * piece counts only after it was hashed here.  (I/O: files)
 */

import * as fs from "node:fs";
import { StoreError } from "../core/errors.ts";
import { nameNumberMax, type OnExists } from "./final_name.ts";
import type { Journal } from "./journal.ts";
import { isOpenAt, lockedByOther, lstatOrUndefined, openLocked } from "./locked_file.ts";
import type { Manifest } from "./manifest.ts";
import { numberedName, type TargetFolder } from "./target_folder.ts";

/** A partial file that is open, locked and ours to write. */
export interface PartClaim {
  readonly path: string;
  readonly file: Deno.FsFile;
  /** Whether it was made just now. */
  readonly isFresh: boolean;
  /** 1 for each piece that is there and right. */
  readonly verified: Uint8Array;
  /** Bytes of pieces that an earlier run had asked for and not noted as verified. */
  readonly refetchedBytes: number;
}

export interface ClaimOptions {
  readonly target: TargetFolder;
  readonly journal: Journal;
  readonly manifest: Manifest;
  readonly onExists: OnExists;
  readonly signal: AbortSignal | undefined;
}

/**
 * Takes up the part that the journal names, or one whose journal was lost, or makes a new one; the journal then names it.
 * @throws {StoreError} With code `exists`, if somebody else's file has the place.
 */
export async function claimPart(options: ClaimOptions): Promise<PartClaim> {
  const { target, journal, manifest, onExists } = options;
  const pathOf = (number: number) => target.pathOf(`${numberedName(target.fileName, number)}.part`);
  const refetchedBytes = countBytes(manifest, (index) => journal.wasAsked(index) && !journal.wasVerified(index));
  const named = journal.isResumed && lstatOrUndefined(pathOf(journal.partNumber)) !== undefined
    ? journal.partNumber
    : undefined;

  const last = onExists === "rename" ? nameNumberMax : 0;
  for (let number = named ?? 0; number <= last || number === named; number++) {
    const path = pathOf(number);
    const locked = openLocked(path, 0o666);
    if (locked === undefined) {
      if (onExists === "rename") continue;
      throw lockedByOther(path);
    }
    const { file, isFresh } = locked;
    const isNamed = number === named && !isFresh;
    try {
      const verified = isFresh ? new Uint8Array(manifest.pieceCount) : await findVerified(options, file, isNamed);
      if (verified !== undefined) {
        target.check();
        if (!isNamed) beginJournal(journal, number, verified);
        return { path, file, isFresh, verified, refetchedBytes };
      }
    } catch (error) {
      releaseClaim({ path, file, isFresh });
      throw error;
    }
    file.close();
  }
  throw new StoreError("exists", "write", pathOf(0), "another file has the place of the partial file", {
    hint: "Move it away, or run it again with --overwrite or --rename",
  });
}

/** Makes the journal name a part, with the pieces that it was found to have. */
function beginJournal(journal: Journal, partNumber: number, verified: Uint8Array): void {
  journal.begin(partNumber);
  verified.forEach((isThere, index) => isThere && journal.noteVerified(index));
}

/** Gives a claim up; a part that was made for it alone goes. */
export function releaseClaim(claim: Pick<PartClaim, "path" | "file" | "isFresh">): void {
  if (claim.isFresh && isOpenAt(claim.file, claim.path)) Deno.removeSync(claim.path);
  claim.file.close();
}

/**
 * Refuses a download for which there is no room; what the part holds already is counted.
 * @throws {StoreError} With code `diskFull`.
 */
export function checkSpace(folder: string, bytes: number, part: Deno.FsFile): void {
  const { bavail, bsize, blocks } = fs.statfsSync(folder);
  if (blocks === 0) return; // A file system that does not tell.
  const heldBytes = (part.statSync().blocks ?? 0) * 512;
  if (bytes - heldBytes <= bavail * bsize) return;
  throw new StoreError("diskFull", "write", folder, `${bytes} bytes are needed and ${bavail * bsize} are free`, {
    hint: "Free some space or choose another folder with --dir",
  });
}

/** Answers which pieces of a part are right; undefined if it is somebody else's file. */
async function findVerified(
  { journal, manifest, onExists, signal }: ClaimOptions,
  file: Deno.FsFile,
  isNamed: boolean,
): Promise<Uint8Array | undefined> {
  const { size } = file.statSync();
  const fits = size === manifest.content.bytes;
  let verified: Uint8Array = new Uint8Array(manifest.pieceCount);
  // Without a journal that names it, a part of the right size may still be ours; another one is not worth the time.
  if (isNamed) verified = await hashAgain(manifest, file, (index) => journal.wasVerified(index), signal);
  else if (fits) verified = await hashAgain(manifest, file, () => true, signal);
  const isOurs = (isNamed && fits) || size === 0 || verified.includes(1) || onExists === "overwrite";
  return isOurs ? verified : undefined;
}

/** Hashes the pieces of a part that may be right, and answers 1 for each that is. */
async function hashAgain(
  manifest: Manifest,
  file: Deno.FsFile,
  mayBeRight: (index: number) => boolean,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const verified = new Uint8Array(manifest.pieceCount);
  const buffer = new Uint8Array(Math.min(manifest.pieceBytes, manifest.content.bytes));
  for (let index = 0; index < manifest.pieceCount; index++) {
    if (!mayBeRight(index)) continue;
    signal?.throwIfAborted();
    const range = manifest.pieceRange(index);
    if (await readPiece(file, range.offset, buffer.subarray(0, range.bytes))) {
      verified[index] = manifest.verifyPiece(index, buffer.subarray(0, range.bytes)) ? 1 : 0;
    }
  }
  return verified;
}

/** Fills `piece` from `offset` on, on another thread, so that others run meanwhile; false if the file is too short. */
async function readPiece(file: Deno.FsFile, offset: number, piece: Uint8Array): Promise<boolean> {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let at = 0; at < piece.length;) {
    const got = await file.read(piece.subarray(at));
    if (got === null) return false;
    at += got;
  }
  return true;
}

function countBytes(manifest: Manifest, counts: (index: number) => boolean): number {
  let bytes = 0;
  for (let index = 0; index < manifest.pieceCount; index++) {
    if (counts(index)) bytes += manifest.pieceRange(index).bytes;
  }
  return bytes;
}
