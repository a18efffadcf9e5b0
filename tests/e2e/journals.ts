/**
 * journals: reads the journal of a download that was cut off, as lib/content/journal.ts lays it out, without its code: what it says
 * is what a killed program left.  (I/O)
 */

import { join } from "@std/path";

export interface LeftJournal {
  readonly contentBytes: number;
  readonly asked: ReadonlySet<number>;
  readonly verified: ReadonlySet<number>;
}

const fixedHeaderBytes = 56;

/** The size of the one journal in a home; 0 if there is none. */
export function journalBytes(home: string): number {
  try {
    return Deno.statSync(journalPath(home)).size;
  } catch {
    return 0;
  }
}

/** Reads the one journal in a home; undefined if there is none. */
export function readJournal(home: string): LeftJournal | undefined {
  try {
    return parseJournal(Deno.readFileSync(journalPath(home)));
  } catch {
    return undefined;
  }
}

/** Reads every journal in a home. */
export function readJournals(home: string): readonly LeftJournal[] {
  const folder = join(home, "state", "journals");
  try {
    return [...Deno.readDirSync(folder)].flatMap(({ name }) =>
      parseJournal(Deno.readFileSync(join(folder, name))) ?? []
    );
  } catch {
    return []; // The folder is not there yet, or one was just removed.
  }
}

function parseJournal(bytes: Uint8Array<ArrayBuffer>): LeftJournal | undefined {
  if (bytes.length < fixedHeaderBytes) return undefined;
  const view = new DataView(bytes.buffer);
  const asked = new Set<number>();
  const verified = new Set<number>();
  const headerBytes = Math.ceil((fixedHeaderBytes + view.getUint32(12)) / 8) * 8;
  for (let at = headerBytes; at + 8 <= bytes.length; at += 8) {
    const tag = new TextDecoder().decode(bytes.subarray(at, at + 4));
    (tag === "vrfd" ? verified : asked).add(view.getUint32(at + 4));
  }
  return { contentBytes: Number(view.getBigUint64(48)), asked, verified };
}

function journalPath(home: string): string {
  const folder = join(home, "state", "journals");
  const [entry, ...others] = Deno.readDirSync(folder);
  if (entry === undefined || others.length > 0) throw new Error(`There is one journal in ${folder}, or it is none's`);
  return join(folder, entry.name);
}
