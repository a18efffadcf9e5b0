/**
 * home: the folders of one peer on this machine and who owns them. Laws: 1) one process owns a home: it holds the lock for as long as it
 * runs, and the lock dies with it, however it dies;  2) keys are 0600 in 0700 folders, and are refused when others can read them;
 * 3) a file appears whole or not at all.  (I/O)
 *
 *     config/config.json                     defaults that people set
 *     state/lock, state/peer.sock            ownership, and the way in for further commands
 *     state/device.key                       32-byte Ed25519 seed
 *     state/known_accounts.json              remembered account keys
 *     state/known_coordinators.json          coordinators that this device logs in to by its key
 *     state/library.db, state/journals/      what is shared; downloads in progress
 *     state/fetches.db                       what is to be fetched, and receipts of what was
 *     cache/hashes.db                        content ids of files already hashed
 */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { type Bytes, formatHex } from "../core/bytes.ts";
import { StoreError, storeErrorFrom } from "../core/errors.ts";
import { type SigningKey, signingKeyFrom } from "../session/device_key.ts";
import type { Random } from "../session/random.ts";
import type { HomeFolders } from "./home_folders.ts";

/** The longest path a Unix socket may have on Linux is 107 bytes; a longer one gets a folder of its own below /tmp. */
const socketPathBytesMax = 100;

/** The path of the local socket of the peer that owns a home. */
export function localSocketPath(folders: HomeFolders): string {
  const path = join(folders.state, "peer.sock");
  if (new TextEncoder().encode(path).length <= socketPathBytesMax) return path;
  const name = createHash("sha256").update(folders.state).digest("hex").slice(0, 16);
  return join("/tmp", `shoal-${Deno.uid() ?? 0}-${name}`, "peer.sock");
}

/** A home that this process owns until it is disposed. */
export class Home implements Disposable {
  readonly folders: HomeFolders;
  readonly device: SigningKey;
  readonly #lock: Deno.FsFile;

  private constructor(folders: HomeFolders, device: SigningKey, lock: Deno.FsFile) {
    this.folders = folders;
    this.device = device;
    this.#lock = lock;
  }

  /**
   * Takes a home, making it at first use. Returns undefined when another process owns it: go through its local socket.
   * @throws {StoreError} If the folders cannot be made, or a key is damaged or readable by others.
   */
  static open(folders: HomeFolders, random: Random): Home | undefined {
    for (const folder of [folders.state, folders.cache]) makePrivateFolder(folder);
    const lockPath = join(folders.state, "lock");
    let lock: Deno.FsFile;
    try {
      lock = Deno.openSync(lockPath, { create: true, write: true, mode: 0o600 });
    } catch (error) {
      throw storeErrorFrom(error, "open", lockPath);
    }
    if (!lock.tryLockSync(true)) {
      lock.close();
      return undefined;
    }
    try {
      return new Home(folders, signingKeyFrom(deviceSeed(join(folders.state, "device.key"), random)), lock);
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** Makes a folder 0700, with its parents; leaves one that exists as it is. */
export function makePrivateFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storeErrorFrom(error, "make the folder", path);
  }
}

function deviceSeed(path: string, random: Random): Bytes {
  const stored = readPrivateFile(path);
  if (stored === undefined) {
    const seed = random(32);
    writePrivateFile(path, seed);
    return seed;
  }
  if (stored.length !== 32) {
    throw new StoreError("io", "use the device key", path, `it has ${stored.length} bytes instead of 32`, {
      hint: "Restore it, or remove it: this device is then a new one, and others are told to trust it anew",
    });
  }
  return stored;
}

/** Reads a file that only its owner may read; undefined if there is none. @throws {StoreError} If others can read it. */
export function readPrivateFile(path: string): Bytes | undefined {
  try {
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new StoreError("io", "use", path, "other users can read it", { hint: `Run: chmod 600 ${path}` });
    }
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw storeErrorFrom(error, "read", path);
  }
}

/** Writes a 0600 file whole or not at all: beside it first, synced, then renamed over. */
export function writePrivateFile(path: string, bytes: Uint8Array): void {
  const beside = `${path}.${formatHex(crypto.getRandomValues(new Uint8Array(4)))}.new`;
  try {
    {
      using file = Deno.openSync(beside, { createNew: true, write: true, mode: 0o600 });
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncSync();
    }
    Deno.renameSync(beside, path);
  } catch (error) {
    try {
      Deno.removeSync(beside);
    } catch {
      // It was never made, or is already renamed.
    }
    throw storeErrorFrom(error, "write", path);
  }
}
