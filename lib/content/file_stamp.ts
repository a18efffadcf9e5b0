/**
 * file_stamp: what tells that a file is still the one that was hashed: size, times and inode. Laws: 1) two stamps are
 * equal only if nothing was written between them that the clock could show;  2) Deno shows mtime in milliseconds and
 * ctime in seconds, so a stamp is not a proof: the receiver's hash is.  (pure)
 */

export interface FileStamp {
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** 0 where the file system has none. */
  readonly inode: number;
}

/** The part of a stat result that makes a stamp; Deno's and node's both have it. */
interface Stat {
  readonly size: number;
  readonly mtime: Date | null;
  readonly ctime: Date | null;
  readonly ino: number | null;
}

/** Takes a stamp from a stat result. */
export function stampFrom(stat: Stat): FileStamp {
  return {
    bytes: stat.size,
    mtimeMs: stat.mtime?.getTime() ?? 0,
    ctimeMs: stat.ctime?.getTime() ?? 0,
    inode: stat.ino ?? 0,
  };
}

/** Tells whether two stamps are of one unchanged file. */
export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.bytes === b.bytes && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.inode === b.inode;
}
