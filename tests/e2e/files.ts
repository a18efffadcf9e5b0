/** files: makes the files that tests share, and tells whether they arrived.  (I/O) */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";
import type { Stage } from "../../scripts/programs.ts";

const stepBytes = 65_536;

/** Writes a file of random bytes. */
export async function writeRandom(path: string, bytes: number): Promise<void> {
  using file = await Deno.create(path);
  const step = new Uint8Array(stepBytes);
  for (let at = 0; at < bytes; at += stepBytes) {
    const some = step.subarray(0, Math.min(stepBytes, bytes - at));
    crypto.getRandomValues(some);
    for (let written = 0; written < some.length;) written += file.writeSync(some.subarray(written));
  }
}

/** Writes a large file fast: holes, with some random bytes in each sixteenth. */
export async function writeSparse(path: string, bytes: number): Promise<void> {
  using file = await Deno.create(path);
  await file.truncate(bytes);
  for (let part = 0; part < 16; part++) {
    await file.seek(Math.floor(bytes * part / 16), Deno.SeekMode.Start);
    await file.write(crypto.getRandomValues(new Uint8Array(1024)));
  }
}

/** Writes a text file, and the folders that it needs. */
export async function writeText(path: string, text: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
}

/** SHA-256 of a file, in hex. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1024 * 1024);
  for (let got = await file.read(buffer); got !== null; got = await file.read(buffer)) {
    hash.update(buffer.subarray(0, got));
  }
  return hash.digest("hex");
}

/** Every file below a folder, by its path from there; nothing if there is no such folder. */
export async function listFiles(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  const entries = await Array.fromAsync(Deno.readDir(`${folder}/${below}`)).catch(() => []);
  for (const { name, isDirectory } of entries) {
    if (isDirectory) found.push(...await listFiles(folder, `${below}${name}/`));
    else found.push(`${below}${name}`);
  }
  return found.sort();
}

/** Where a peer of a stage fetches to. */
export function fetchedPath(stage: Stage, home: string, name: string): string {
  return stage.path(`files-${home}`, name);
}

/** Flips a bit that no time stamp tells of: the holder's library, which compares them, is told the new ones. */
export function rot(path: string, offset: number, home: string): void {
  const { mtime } = Deno.statSync(path);
  {
    using file = Deno.openSync(path, { read: true, write: true });
    const byte = new Uint8Array(1);
    file.seekSync(offset, Deno.SeekMode.Start);
    file.readSync(byte);
    byte[0]! ^= 1;
    file.seekSync(offset, Deno.SeekMode.Start);
    file.writeSync(byte);
  }
  Deno.utimeSync(path, mtime!, mtime!);
  const stat = Deno.statSync(path);
  const library = new DatabaseSync(join(home, "state", "library.db"));
  const { changes } = library.prepare("UPDATE entries SET mtimeMs = ?, ctimeMs = ? WHERE path = ?")
    .run(stat.mtime!.getTime(), stat.ctime!.getTime(), Deno.realPathSync(path));
  library.close();
  assertEquals(changes, 1);
}
