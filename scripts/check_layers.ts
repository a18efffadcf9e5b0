/**
 * check_layers: imports run one way. Holds, for each folder of lib, what it may import from the rest of lib and from
 * outside, and prints each import that the table does not grant as `file:line: message`.
 *
 *     deno run --allow-read=. scripts/check_layers.ts
 */

import { dirname, join, normalize, relative, SEPARATOR } from "@std/path";
import { parseImports } from "./imports.ts";

/** What a folder may import. */
interface Layer {
  /** Folders of lib; the folder itself goes without saying, a folder inside another does not. */
  readonly lib: readonly string[];
  /** npm, @std and node packages; a name grants all that the package exports. */
  readonly packages: readonly string[];
}

const bytes = ["node:buffer"];
const crypto = ["node:buffer", "node:crypto"];
const files = ["node:fs", "node:path", "node:sqlite", "@std/path"];

/** The longest folder that holds a file decides. A row is added with the folder, and widened by a decision, not by need. */
export const layers: Readonly<Record<string, Layer>> = {
  core: { lib: [], packages: crypto },
  wire: { lib: ["core"], packages: [...bytes, "valibot"] },
  session: { lib: ["core", "wire"], packages: [...crypto, "@serenity-kit/opaque"] },
  membership: { lib: ["core", "wire", "session"], packages: [...bytes] },
  "coordinator/role": { lib: ["core", "wire", "session"], packages: crypto },
  content: { lib: ["core", "wire"], packages: [...crypto, ...files, "node:timers"] },
  // node:net for isIP() alone: sockets are net's.
  transfer: { lib: ["core", "wire", "content", "session"], packages: [...crypto, "node:net", "node:zlib"] },
  net: {
    lib: ["core"],
    packages: [...crypto, "node:dns", "node:net", "node:tls", "@peculiar/x509", "reflect-metadata", "@std/path"],
  },
  relay: { lib: ["core", "wire", "net"], packages: bytes },
  coordinator: {
    lib: ["coordinator/role", "session", "relay", "net", "wire", "core"],
    // node:http and node:net for the admin address alone: Deno.serve bounds nothing that a client takes.
    packages: [
      ...crypto,
      ...files,
      "node:http",
      "node:net",
      "node:process",
      "node:timers",
      "postgres",
      "prom-client",
      "unhomoglyph",
      "valibot",
    ],
  },
  peer: {
    lib: ["membership", "content", "transfer", "relay", "net", "session", "wire", "core"],
    packages: [...crypto, ...files, "valibot"],
  },
  cli: {
    lib: ["core", "peer"],
    packages: [
      ...["node:process", "node:readline", "node:stream"],
      ...["@std/cli", "@std/fmt", "@std/path", "@std/streams", "string-width", "valibot"],
    ],
  },
  web: { lib: ["core", "peer"], packages: ["hono", "preact", "@std/path"] },
  // Stand-ins for @std lean on node's modules alone, each on its own.
  "std/assert": { lib: [], packages: ["node:assert", "node:util"] },
  "std/cli": { lib: [], packages: [] },
  "std/fmt": { lib: [], packages: ["node:util"] },
  "std/path": { lib: [], packages: ["node:path", "node:url"] },
  "std/streams": { lib: [], packages: [] },
};

/** An import that the table does not grant. */
export interface Violation {
  /** Relative to the project's folder, with slashes. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Judges one source by its place, `lib/wire/frame.ts` for instance. */
export function checkLayers(file: string, source: string): Violation[] {
  const folder = folderOf(file);
  if (folder === undefined) return [{ file, line: 1, message: "is in no folder that scripts/check_layers.ts lists" }];
  return parseImports(source).flatMap(({ specifier, line }) => {
    const message = specifier === undefined
      ? "imports what only the running program could tell: name the module"
      : judge(file, folder, specifier);
    return message === undefined ? [] : [{ file, line, message }];
  });
}

/** Says what is wrong with an import; nothing, if it is granted. */
function judge(file: string, folder: string, specifier: string): string | undefined {
  const layer = layers[folder]!;
  if (/^\.{1,2}\//.test(specifier)) {
    const target = posix(normalize(join(dirname(file), specifier)));
    const targetFolder = folderOf(target);
    if (targetFolder === undefined) return `lib/${folder} imports ${target}, which is outside lib's layers`;
    if (targetFolder === folder || layer.lib.includes(targetFolder)) return undefined;
    return `lib/${folder} may not import lib/${targetFolder} (${target})`;
  }
  if (/^(?:npm|jsr|https?|file|data|blob):|^\//.test(specifier)) {
    return `imports ${specifier}: name the package as deno.json does`;
  }
  const granted = layer.packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  return granted ? undefined : `lib/${folder} may not import ${specifier}`;
}

/** The longest folder of the table that holds a file. */
function folderOf(file: string): string | undefined {
  const folders = Object.keys(layers).filter((folder) => file.startsWith(`lib/${folder}/`));
  return folders.sort((a, b) => b.length - a.length)[0];
}

function posix(path: string): string {
  return path.replaceAll(SEPARATOR, "/");
}

function* sourcesIn(folder: string): Iterable<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* sourcesIn(path);
    else if (/\.(?:ts|tsx|js|mjs)$/.test(entry.name)) yield path;
  }
}

if (import.meta.main) {
  const root = join(import.meta.dirname!, "..");
  const violations = [...sourcesIn(join(root, "lib"))].sort().flatMap((path) =>
    checkLayers(posix(relative(root, path)), Deno.readTextFileSync(path))
  );
  for (const { file, line, message } of violations) console.log(`${file}:${line}: ${message}`);
  if (violations.length > 0) Deno.exit(1);
}
