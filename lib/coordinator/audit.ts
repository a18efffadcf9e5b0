/**
 * audit: who logged in, who was refused, who was reported, and what an operator did: one JSON object a line, in order, in a file for its
 * owner alone. Laws: 1) no secret has a field here: entries are made of fields that are listed, never of whole requests;  2) nobody waits
 * for it: what cannot be written, or comes faster than the disk takes it, is counted and told in the log;  3) bounded: `filesMax` files of
 * `fileBytesMax`, and of refused logins, which strangers cause, a few a second, so that they cannot push out the rest.
 * Spec: docs/operations.md "Audit".  (I/O: files)
 */

import type { AdminRequest } from "./admin.ts";
import { formatJsonLine } from "./json_line.ts";
import type { LogEvent } from "./role/types.ts";

export const fileBytesMax = 16 * 1024 * 1024;
export const filesMax = 8;
const linesWaitingMax = 10_000;
const refusalsPerSecond = 5;
const refusalsBurst = 500;

/** One thing that happened; `formatEntry` adds the time. */
export interface AuditEntry {
  readonly event: string;
  readonly [field: string]: string | number | boolean | undefined;
}

/** What the role tells that is everyday, and not for the audit. */
const everyday: ReadonlySet<string> = new Set<LogEvent["event"]>(["away", "moved", "shed"]);

/** The entry of an event of the role, if it is one. */
export function entryOf(event: LogEvent): AuditEntry | undefined {
  return everyday.has(event.event) ? undefined : { ...event };
}

/** Fields of an operator's requests that say what was done. A field that is not here is not written: it may be a secret. */
const adminFields = [
  ...["account", "disabled", "role", "sharesMax", "rate", "group", "isMember", "device", "invite", "note"],
  ...["expiresAtMs", "file"],
];

/** The entry of what an operator did, if it changed something. @param by Who asked. */
export function entryOfRequest(request: AdminRequest, by: string, result: string): AuditEntry | undefined {
  if (/^(list|status$)/.test(request.kind)) return undefined;
  const fields = adminFields.flatMap((name) => {
    const value = (request as unknown as Record<string, unknown>)[name];
    return isPlain(value) ? [[name, value]] : [];
  });
  return { event: request.kind, ...Object.fromEntries(fields), by, result };
}

export interface AuditOptions {
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Hears once that entries cannot be written, and once that they can be again. */
  readonly warn: (text: string) => void;
  readonly fileBytesMax?: number;
}

export class Audit implements AsyncDisposable {
  readonly #options: AuditOptions;
  readonly #fileBytesMax: number;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;
  #file: Deno.FsFile | undefined;
  #fileBytes = 0;
  #isFailing = false;
  #refusals = refusalsBurst;
  #refusalsAtMs = 0;
  #refusalsLeftOut = 0;
  #written = 0;
  #lost = 0;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#fileBytesMax = options.fileBytesMax ?? fileBytesMax;
  }

  get written(): number {
    return this.#written;
  }

  /** Entries that could not be written, or were left out. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes an entry; it is written soon. */
  note(entry: AuditEntry): void {
    const nowMs = this.#options.clock();
    if (entry.event === "loginRefused" && !this.#mayRefuse(nowMs)) {
      this.#refusalsLeftOut++;
      this.#lost++;
      return;
    }
    if (this.#refusalsLeftOut > 0) {
      this.#push(formatEntry({ event: "refusalsLeftOut", count: this.#refusalsLeftOut }, nowMs));
      this.#refusalsLeftOut = 0;
    }
    this.#push(formatEntry(entry, nowMs));
  }

  /** Writes what waits, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    this.#file?.close();
    this.#file = undefined;
  }

  #mayRefuse(nowMs: number): boolean {
    this.#refusals = Math.min(refusalsBurst, this.#refusals + (nowMs - this.#refusalsAtMs) * refusalsPerSecond / 1000);
    this.#refusalsAtMs = nowMs;
    if (this.#refusals < 1) return false;
    this.#refusals--;
    return true;
  }

  #push(line: string): void {
    if (this.#waiting.length >= linesWaitingMax) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
        this.#written += lines.length;
        this.#tell(undefined);
      } catch (error) {
        this.#lost += lines.length;
        this.#tell(error);
        // A file that was removed or is on a full disk is opened anew the next time.
        this.#file?.close();
        this.#file = undefined;
      }
    }
    this.#writing = undefined;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#file !== undefined && this.#fileBytes + bytes.length > this.#fileBytesMax) await this.#rotate();
    this.#file ??= await this.#open();
    for (let sent = 0; sent < bytes.length;) sent += await this.#file.write(bytes.subarray(sent));
    this.#fileBytes += bytes.length;
  }

  async #open(): Promise<Deno.FsFile> {
    const file = await Deno.open(this.#options.path, { append: true, create: true, mode: 0o600 });
    this.#fileBytes = (await file.stat()).size;
    // The rest of a line that a crash or a full disk cut must not become part of the next one.
    if (this.#fileBytes > 0 && !(await endsLine(this.#options.path, this.#fileBytes))) {
      this.#fileBytes += await file.write(new Uint8Array([10]));
    }
    return file;
  }

  async #rotate(): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    const names = auditPaths(this.#options.path);
    for (let i = names.length - 1; i > 0; i--) {
      await Deno.rename(names[i - 1]!, names[i]!).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  }

  #tell(error: unknown): void {
    if ((error !== undefined) === this.#isFailing) return;
    this.#isFailing = error !== undefined;
    const { path, warn } = this.#options;
    if (error === undefined) warn(`${path} can be written again; ${this.#lost} entries are lost`);
    else {warn(
        `Cannot write ${path}: ${error instanceof Error ? error.message : error}; what happens meanwhile is lost`,
      );}
  }
}

/** Formats one line without its end. */
export function formatEntry(entry: AuditEntry, atMs: number): string {
  return formatJsonLine({ time: new Date(atMs).toISOString(), ...entry });
}

/** The files of an audit log, the newest first. */
export function auditPaths(path: string): string[] {
  const older = Array.from({ length: filesMax - 1 }, (_, i) => path.replace(/\.jsonl$/, `.${i + 1}.jsonl`));
  return [path, ...older];
}

async function endsLine(path: string, size: number): Promise<boolean> {
  using file = await Deno.open(path, { read: true });
  await file.seek(size - 1, Deno.SeekMode.Start);
  const last = new Uint8Array(1);
  await file.read(last);
  return last[0] === 10;
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
