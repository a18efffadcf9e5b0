/**
 * executable: one self-contained file out of a bundle and a Deno runtime, for where `deno compile` has no base binary: the script
 * stub.sh, padded, and behind it each file as a gzip member. Law: equal input makes equal bytes.
 *
 *     #!/bin/sh … stub … padding | gzip(deno) | gzip(peer.js) | gzip(lane_worker.js) | gzip(deno.json)
 */

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { join } from "@std/path";
import { type Bundle, runArgs, runEnv } from "./bundle.ts";

/** The stub is padded to this, in bytes, so that it can tell where the members are. */
const stubBytes = 12 * 1024;

/** What `uname -sm` prints on Deno's targets that have a POSIX shell. */
export const machines: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "Linux x86_64",
  "aarch64-unknown-linux-gnu": "Linux aarch64",
  "x86_64-apple-darwin": "Darwin x86_64",
  "aarch64-apple-darwin": "Darwin arm64",
};

/** A file inside an executable. */
export interface Member {
  /** Below the cache folder: `deno-0123456789abcdef/deno`. */
  readonly name: string;
  readonly size: number;
  /** SHA-256 of the content, in hex. */
  readonly sum: string;
  /** What `chmod` is given. */
  readonly mode: string;
  readonly packed: Uint8Array;
}

/** Packs the Deno runtime: it is the same for every program, and takes seconds. @param path Of the binary. */
export async function packRuntime(path: string): Promise<Member> {
  const bytes = await Deno.readFile(path);
  return pack(`deno-${digest(bytes).slice(0, 16)}/deno`, bytes, "500");
}

/**
 * Writes a self-contained executable.
 * @param target One of `machines`.
 * @throws {Error} If the stub outgrew its place.
 */
export async function writeExecutable(
  { bundle, version, runtime, target, path }: {
    readonly bundle: Bundle;
    readonly version: string;
    readonly runtime: Member;
    readonly target: string;
    readonly path: string;
  },
): Promise<void> {
  const files = await Promise.all(bundle.files.map(async (name) => ({
    name,
    bytes: await Deno.readFile(join(bundle.folder, name)),
  })));
  const app = `${bundle.program}-${digest(...files.map(({ bytes }) => bytes)).slice(0, 16)}`;
  const members = [runtime, ...files.map(({ name, bytes }) => pack(`${app}/${name}`, bytes, "400"))];
  const stub = formatStub(await Deno.readTextFile(new URL("./stub.sh", import.meta.url)), {
    title: `shoal-${bundle.program} ${version}`,
    members: formatMembers(members),
    names: members.map(({ name }) => name).join(" "),
    count: String(members.length),
    bytes: String(members.reduce((sum, { packed }) => sum + packed.length, stubBytes)),
    machine: machines[target]!,
    needs: target.includes("linux") ? "It needs the GNU C library (glibc) and libgcc_s" : "It needs a newer system",
    runtime: runtime.name,
    app,
    env: Object.entries(runEnv).map(([name, value]) => `${name}=${value}`).join(" "),
    args: runArgs(bundle.program, '"$folder/$app"').join(" ").replaceAll('""', ""),
  });
  const padding = stubBytes - new TextEncoder().encode(stub).length;
  if (padding < 0) throw new Error(`Cannot write ${path}: the stub is ${-padding} bytes longer than its place`);
  using file = await Deno.open(path, { create: true, write: true, truncate: true, mode: 0o755 });
  for (const part of [new TextEncoder().encode(stub + "\n".repeat(padding)), ...members.map(({ packed }) => packed)]) {
    for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
  }
  await Deno.chmod(path, 0o755);
}

function pack(name: string, bytes: Uint8Array<ArrayBuffer>, mode: string): Member {
  return { name, size: bytes.length, sum: digest(bytes), mode, packed: gzipSync(bytes) };
}

function digest(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** Each member as a case of the stub; `tail` counts bytes from 1. */
function formatMembers(members: readonly Member[]): string {
  let at = stubBytes + 1;
  return members.map(({ name, packed, size, sum, mode }) => {
    const line = `    ${name}) at=${at} packed=${packed.length} size=${size} sum=${sum} mode=${mode} ;;`;
    at += packed.length;
    return line;
  }).join("\n");
}

/** Fills in the marks `@name@`. */
function formatStub(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@(\w+)@/g, (_mark, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`stub.sh has a mark @${name}@ that nobody fills in`);
    return value;
  });
}
