/** fixtures: temporary folders and file contents for the tests of content. */

import { createHash } from "node:crypto";
import { type Manifest, manifestFrom } from "../../lib/content/manifest.ts";
import { type HashedContent, LayerBuilder } from "../../lib/content/merkle.ts";
import { type SafePath, safePath } from "../../lib/content/safe_path.ts";

/** A folder of its own for one test, gone with the scope. */
export interface TempFolder extends Disposable {
  readonly path: string;
}

export function tempFolder(): TempFolder {
  const path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "shoal-content-" }));
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** The first `bytes` bytes of SHA-256(0) ‖ SHA-256(1) ‖ …, each number as 4 bytes, as tests/vectors/content has it. */
export function counted(bytes: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.ceil(bytes / 32) * 32);
  const number = new Uint8Array(4);
  for (let i = 0; i * 32 < bytes; i++) {
    new DataView(number.buffer).setUint32(0, i);
    out.set(createHash("sha256").update(number).digest(), i * 32);
  }
  return out.slice(0, bytes);
}

/** Bytes that differ from piece to piece and with `seed`, made cheaply. */
export function pattern(bytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 0x9e3779b1);
  return new Uint8Array(words.buffer).slice(0, bytes);
}

export function hashed(file: Uint8Array): HashedContent {
  const builder = new LayerBuilder(file.length);
  for (let at = 0; at < file.length; at += builder.stepBytes) builder.add(file.subarray(at, at + builder.stepBytes));
  return builder.finish();
}

export function manifestOf(file: Uint8Array): Manifest {
  const { content, layer } = hashed(file);
  const manifest = manifestFrom(content, layer);
  if (!manifest.ok) throw new Error(manifest.error);
  return manifest.value;
}

export function safe(name: string): SafePath {
  const path = safePath(name);
  if (!path.ok) throw new Error(path.error);
  return path.value;
}
