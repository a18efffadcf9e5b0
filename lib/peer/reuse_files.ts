/**
 * reuse_files: which files of this disk a fetch looks into before it asks the network: the one that it is to replace or to stand beside,
 * and shared ones that are alike. Law: regular files alone, few of them, and never a partial one.  (I/O: files)
 */

import { limits } from "../core/limits.ts";
import type { Manifest } from "../content/manifest.ts";

/** Each costs a read and a hash of what is fetched, where the ones before have not all of it. */
const filesMax = 4;

/** @param target Where the content is to be. @param shared Files that are alike, likeliest first; asked only if it is worth it. */
export function filesToReuse(
  target: string,
  { content }: Manifest,
  shared: () => readonly string[],
): readonly string[] {
  // To ask which blocks of a single piece are missing costs as much time as to fetch it.
  if (content.bytes <= limits.pieceBytesMin) return [];
  return [...new Set([target, ...shared()])].filter(isUsable).slice(0, filesMax);
}

function isUsable(path: string): boolean {
  if (path.endsWith(".part")) return false;
  try {
    const { isFile, size } = Deno.lstatSync(path);
    return isFile && size >= limits.blockBytes;
  } catch {
    // Not there, or nothing that one may look at.
    return false;
  }
}
