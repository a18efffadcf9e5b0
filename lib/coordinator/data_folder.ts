/**
 * data_folder: the folder of one coordinator, and who owns it. Laws: 1) one process owns a data folder: it holds the lock for as long
 * as it runs, and the lock dies with it, however it dies;  2) everything in it is for its owner alone (0700, 0600);
 * 3) a private file appears whole or not at all, and is refused when others can read it.  (I/O)
 *
 *     keys.json             OPAQUE setup and root key (key_file.ts)
 *     coordinator.db        accounts, devices, shares (store/)
 *     coordinator.lock      ownership; says which process has it
 *     admin.sock            the way in for further commands (admin.ts)
 *     admin.token           lets machines read metrics (admin_token.ts)
 *     audit.jsonl           who logged in and what was administered (audit.ts); audit.1.jsonl … are older
 */

import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { dirname, join } from "@std/path";
import { StoreError, storeErrorFrom } from "../core/errors.ts";

/** The longest path that a Unix socket may have on Linux is 107 bytes; a longer one gets a folder of its own below /tmp. */
const socketPathBytesMax = 100;

/** The paths in a data folder. */
export function dataPaths(folder: string) {
  return {
    folder,
    keys: join(folder, "keys.json"),
    database: join(folder, "coordinator.db"),
    lock: join(folder, "coordinator.lock"),
    socket: socketPath(folder),
    adminToken: join(folder, "admin.token"),
    audit: join(folder, "audit.jsonl"),
  };
}

export type DataPaths = ReturnType<typeof dataPaths>;

/** A data folder that this process owns until it is disposed. */
export class DataFolder implements Disposable {
  readonly paths: DataPaths;
  readonly #lock: Deno.FsFile;

  private constructor(paths: DataPaths, lock: Deno.FsFile) {
    this.paths = paths;
    this.#lock = lock;
  }

  /**
   * Takes a data folder, making it at first use.
   * @throws {StoreError} If another process owns it, which the message names, or it cannot be made.
   */
  static open(folder: string): DataFolder {
    const paths = dataPaths(folder);
    try {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      Deno.mkdirSync(dirname(paths.socket), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw storeErrorFrom(error, "make the folder", folder);
    }
    if (!isSocketFolderSafe(paths)) {
      throw new StoreError("io", "use", dirname(paths.socket), "it is another user's", {
        hint: "Choose a data folder with a shorter path",
      });
    }
    let lock: Deno.FsFile;
    try {
      lock = Deno.openSync(paths.lock, { create: true, read: true, write: true, mode: 0o600 });
    } catch (error) {
      throw storeErrorFrom(error, "open", paths.lock);
    }
    if (!lock.tryLockSync(true)) {
      lock.close();
      const owner = ownerOf(paths.lock);
      throw new StoreError("exists", "use", folder, `another coordinator${owner} has it`, {
        hint: "Stop it, or choose another folder with --data",
      });
    }
    const data = new DataFolder(paths, lock);
    data.tellOwner(`process ${Deno.pid}`);
    return data;
  }

  /** Notes who owns the folder, for the message of whoever comes second. */
  tellOwner(text: string): void {
    try {
      this.#lock.truncateSync(0);
      this.#lock.seekSync(0, Deno.SeekMode.Start);
      this.#lock.writeSync(new TextEncoder().encode(`${text}\n`));
    } catch (error) {
      throw storeErrorFrom(error, "write", this.paths.lock);
    }
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** Tells whether nobody else can put a socket where ours is looked for: a folder below /tmp could have been made by anybody. */
export function isSocketFolderSafe({ folder, socket }: DataPaths): boolean {
  if (dirname(socket) === folder) return true;
  try {
    const { uid, mode } = Deno.lstatSync(dirname(socket));
    return uid === null || mode === null || (uid === Deno.uid() && (mode & 0o077) === 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw storeErrorFrom(error, "read", dirname(socket));
  }
}

/**
 * Reads a secret file; undefined where there is none.
 * @param ifExposed What is to be done if others may have read it.
 * @throws {StoreError} If others can read it, or it cannot be read.
 */
export function readPrivateFile(path: string, ifExposed: string): string | undefined {
  try {
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new StoreError("io", "read", path, "others can read it", {
        hint: `Run chmod 600 on it; if others may have read it, ${ifExposed}`,
      });
    }
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw storeErrorFrom(error, "read", path);
  }
}

/**
 * Writes a secret file, mode 0600; it and its entry in the folder are synced before this returns.
 * @throws {StoreError} If it cannot be written.
 */
export function writePrivateFile(path: string, text: string): void {
  const draft = `${path}.new`;
  try {
    try {
      Deno.removeSync(draft); // Left by a crash.
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    {
      using file = Deno.openSync(draft, { createNew: true, write: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(text);
      for (let sent = 0; sent < bytes.length;) sent += file.writeSync(bytes.subarray(sent));
      file.syncSync();
    }
    Deno.renameSync(draft, path);
    using folder = Deno.openSync(dirname(path), { read: true });
    folder.syncSync();
  } catch (error) {
    throw storeErrorFrom(error, "write", path);
  }
}

function socketPath(folder: string): string {
  const path = join(folder, "admin.sock");
  if (Buffer.byteLength(path) <= socketPathBytesMax) return path;
  const name = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  return join("/tmp", `shoal-${Deno.uid() ?? 0}-${name}`, "admin.sock");
}

function ownerOf(path: string): string {
  try {
    const text = Deno.readTextFileSync(path).trim();
    return text === "" ? "" : ` (${text})`;
  } catch {
    return ""; // It is gone already; the message does without.
  }
}
