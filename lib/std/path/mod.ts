/**
 * path: the functions of @std/path that Shoal uses, as node:path and node:url have them. Texts alone, where the real ones
 * take file URLs too.  (pure, but for the working folder that resolve() and relative() start from)
 */

import * as node from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What separates the parts of a path: "/" or, on Windows, "\\". */
export const SEPARATOR: "/" | "\\" = node.sep;

/** What separates the paths in a list such as PATH: ":" or, on Windows, ";". */
export const DELIMITER: ":" | ";" = node.delimiter;

/** The last part of a path, without a suffix if it ends in that and is longer; of a root its separator. */
export function basename(path: string, suffix = ""): string {
  const last = path !== "" && node.parse(path).base === "" ? SEPARATOR : node.basename(path);
  return last !== suffix && last.endsWith(suffix) ? last.slice(0, last.length - suffix.length) : last;
}

/** A path without its last part, and without the separators that stood before that. */
export function dirname(path: string): string {
  const folder = node.dirname(path);
  return SEPARATOR === "/" ? folder.replace(/^(.*?[^/]|\/)\/*$/s, "$1") : folder;
}

/** The extension of a path's last part with its dot, or an empty text. */
export const extname: (path: string) => string = node.extname;

/** Tells whether a path starts at the root. */
export const isAbsolute: (path: string) => boolean = node.isAbsolute;

/** Puts paths together and normalizes the result. */
export const join: (path: string, ...paths: string[]) => string = node.join;

/** Resolves "." and ".." and doubled separators, without asking the disk. */
export const normalize: (path: string) => string = node.normalize;

/** The way from one path to another. */
export const relative: (from: string, to: string) => string = node.relative;

/** An absolute path: from the right to the first absolute one, else from the working folder. */
export const resolve: (...pathSegments: string[]) => string = node.resolve;

/**
 * The path that a file URL names. Never a check: "%2F" in it becomes a separator.
 *
 * @throws {TypeError} If it is not a file URL.
 */
export function fromFileUrl(url: string | URL): string {
  const { protocol, pathname } = new URL(url);
  if (protocol !== "file:") {
    throw new TypeError(`URL must be a file URL: received "${protocol}"`);
  }
  if (SEPARATOR === "\\") return fileURLToPath(url);
  return decodeURIComponent(pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
}

/**
 * The file URL of an absolute path.
 *
 * @throws {TypeError} If the path is not absolute.
 */
export function toFileUrl(path: string): URL {
  if (!isAbsolute(path)) {
    throw new TypeError(`Path must be absolute: received "${path}"`);
  }
  if (SEPARATOR === "\\") return pathToFileURL(path);
  const url = new URL("file:///");
  url.pathname = path.replace(/^\/+/, "/").replace(
    /[%\\\s]/g,
    encodeURIComponent,
  );
  return url;
}
