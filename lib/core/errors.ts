/**
 * errors: the one error root, its append-only code table and the kinds that say whose fault it is.
 * Laws: 1) a code, once published, keeps its meaning and its number;  2) an exit code is a property of the code table,
 * never of a call site;  3) messages read "Cannot <verb> <object>: <reason>", without a period; the next action is the
 * `hint`, printed after it.  Spec: PROTOCOL.md "Error codes", docs/cli.md "Exit codes".  (pure)
 */

/** One row of the table: its number on the wire and the exit code of a command that ends with it. */
interface CodeRow {
  readonly wire: number;
  readonly exit: number;
  readonly retryable: boolean;
}

/** Every error code. Append only: numbers are on the wire and in people's scripts. */
export const errorCodes = {
  unknown: { wire: 1, exit: 1, retryable: false },
  usage: { wire: 2, exit: 2, retryable: false },
  notFound: { wire: 3, exit: 3, retryable: false },
  denied: { wire: 4, exit: 4, retryable: false },
  unreachable: { wire: 5, exit: 5, retryable: true },
  timeout: { wire: 6, exit: 6, retryable: true },
  unfinished: { wire: 7, exit: 7, retryable: true },
  integrity: { wire: 8, exit: 8, retryable: false },
  diskFull: { wire: 9, exit: 9, retryable: false },
  exists: { wire: 10, exit: 10, retryable: false },
  io: { wire: 11, exit: 11, retryable: false },
  /** The remote broke the protocol. */
  protocol: { wire: 12, exit: 5, retryable: false },
  /** The remote is at one of its limits; ask again later. */
  busy: { wire: 13, exit: 5, retryable: true },
  /** Too many login tries at this account; `retryAfterMs` says when the next one counts. */
  tooManyTries: { wire: 14, exit: 5, retryable: true },
  /** The account exists and the password was right, but the operator disabled the account. */
  disabled: { wire: 15, exit: 4, retryable: false },
  /** A device that the remembered account key has not signed. */
  untrusted: { wire: 16, exit: 4, retryable: false },
  /** The file is no longer what was shared. */
  changed: { wire: 17, exit: 7, retryable: true },
  /** A name the network may hold but this machine must not (see `safe_path`). */
  unsafeName: { wire: 18, exit: 2, retryable: false },
  /** The two programs speak no common protocol version, or a file is of a newer program than this one. */
  version: { wire: 19, exit: 5, retryable: false },
  /** A limit of the coordinator or of this program would be passed. */
  limit: { wire: 20, exit: 2, retryable: false },
  interrupted: { wire: 21, exit: 130, retryable: true },
  /** The session is over (logged out, ended by a newer login of the same device, or expired). */
  sessionEnded: { wire: 22, exit: 5, retryable: true },
  /** An account has this name, or one that looks the same. */
  nameTaken: { wire: 23, exit: 10, retryable: false },
  /** The account may search and fetch, not share. */
  readOnly: { wire: 24, exit: 4, retryable: false },
} as const satisfies Record<string, CodeRow>;

export type ErrorCode = keyof typeof errorCodes;

const codeByWire = new Map<number, ErrorCode>(
  Object.entries(errorCodes).map(([code, row]) => [row.wire, code as ErrorCode]),
);

/** Reads a code from its number on the wire; numbers of later versions read as `unknown`. */
export function errorCodeFromWire(wire: number): ErrorCode {
  return codeByWire.get(wire) ?? "unknown";
}

export interface ErrorOptions {
  readonly cause?: unknown;
  /** What to do next, one sentence without a period, printed after the message. */
  readonly hint?: string;
}

/** The root of every error that a user or a remote can cause. Programmer mistakes are TypeError and RangeError. */
export class ShoalError extends Error {
  override name = "ShoalError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  get exitCode(): number {
    return errorCodes[this.code].exit;
  }
}

/** The remote broke the spec; the message names the clause. */
export class ProtocolError extends ShoalError {
  override name = "ProtocolError";
  constructor(message: string, options: ErrorOptions = {}) {
    super("protocol", message, options);
  }
}

/** The remote told us so: its code, and its words escaped by whoever shows them. */
export class RemoteError extends ShoalError {
  override name = "RemoteError";
  /** How long the remote asks us to wait before the next try, in milliseconds; 0 if it did not say. */
  readonly retryAfterMs: number;
  constructor(code: ErrorCode, message: string, options: ErrorOptions & { retryAfterMs?: number } = {}) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** The network failed: refused, unreachable, reset. */
export class NetworkError extends ShoalError {
  override name = "NetworkError";
  constructor(message: string, options: ErrorOptions & { code?: ErrorCode } = {}) {
    super(options.code ?? "unreachable", message, options);
  }
}

/** Nothing came in time. */
export class TimeoutError extends NetworkError {
  override name = "TimeoutError";
  readonly afterMs: number;
  readonly attempts: number;
  constructor(message: string, afterMs: number, attempts: number, options: ErrorOptions = {}) {
    super(message, { ...options, code: "timeout" });
    this.afterMs = afterMs;
    this.attempts = attempts;
  }
}

/** Bytes are not what their id says, or their source changed; says which content, and where it matters which piece and holder. */
export class ContentError extends ShoalError {
  override name = "ContentError";
  readonly contentId: string | undefined;
  readonly piece: number | undefined;
  readonly holder: string | undefined;
  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & { contentId?: string; piece?: number; holder?: string } = {},
  ) {
    super(code, message, options);
    this.contentId = options.contentId;
    this.piece = options.piece;
    this.holder = options.holder;
  }
}

/** A file or a database failed us; says which path and which operation. */
export class StoreError extends ShoalError {
  override name = "StoreError";
  readonly path: string;
  readonly operation: string;
  constructor(code: ErrorCode, operation: string, path: string, reason: string, options: ErrorOptions = {}) {
    super(code, `Cannot ${operation} ${path}: ${reason}`, options);
    this.path = path;
    this.operation = operation;
  }
}

/** The error for a file whose schema is newer than the newest that this program knows; whoever throws it has left the file as it is. */
export function newerSchema(path: string, found: number, known: number): StoreError {
  return new StoreError("version", "open", path, `it has schema ${found}, and this program knows ${known}`, {
    hint: "Use the newer release that wrote it; the file is as that one left it",
  });
}

/**
 * The error where the other side speaks other protocol versions than this program's.
 * @param what What cannot be done, without "Cannot".
 * @param them The other side, as `the coordinator`.
 */
export function otherVersions(what: string, them: string, theirs: readonly number[], ours: number): ShoalError {
  const hint = theirs.every((version) => version > ours)
    ? "Update this peer"
    : theirs.every((version) => version < ours)
    ? `Update ${them}`
    : "Use programs of one release";
  const text = `Cannot ${what}: ${them} speaks protocol ${theirs.join(", ")} and this peer speaks ${ours}`;
  return new ShoalError("version", text, { hint });
}

/** The command line is wrong: exit 2, no stack. */
export class UsageError extends ShoalError {
  override name = "UsageError";
  constructor(message: string, options: ErrorOptions = {}) {
    super("usage", message, options);
  }
}

/** The result of decoding bytes from the network: junk is everyday input, so decoders return this and never throw. */
export type Result<T, E = string> = { readonly ok: true; readonly value: T } | {
  readonly ok: false;
  readonly error: E;
};

/** Makes a success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** Makes a failure. */
export function fail<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/**
 * Turns what a file operation threw into a StoreError with the code users script against. `Deno.errors.*` and the
 * plain `Error` that Deno throws for a full disk (os error 28, quota 122), a read-only file system (30) and exhausted
 * descriptors (24) are told apart here, once.
 */
export function storeErrorFrom(error: unknown, operation: string, path: string): ShoalError {
  if (error instanceof ShoalError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const os = /os error (\d+)/.exec(text)?.[1];
  const code = (error as { code?: unknown } | null)?.code;
  const cause = { cause: error };
  if (os === "28" || os === "122" || code === "ENOSPC" || code === "EDQUOT") {
    return new StoreError("diskFull", operation, path, "the disk is full", {
      ...cause,
      hint: "Free some space and run the same command again; verified pieces are kept",
    });
  }
  if (os === "30" || code === "EROFS") {
    return new StoreError("io", operation, path, "the file system is read-only", {
      ...cause,
      hint: "Choose a writable folder with --dir",
    });
  }
  if (os === "24" || os === "23" || code === "EMFILE") {
    return new StoreError("io", operation, path, "too many open files", {
      ...cause,
      hint: "Raise the limit with ulimit -n or run fewer transfers at once",
    });
  }
  if (error instanceof Deno.errors.NotFound || code === "ENOENT") {
    return new StoreError("notFound", operation, path, "there is no such file or folder", cause);
  }
  if (
    error instanceof Deno.errors.NotCapable
  ) {
    return new StoreError("io", operation, path, "this program's permissions do not reach there", {
      ...cause,
      hint: "Deno keeps programs from /dev, /proc and /sys; for other places start it by its task",
    });
  }
  if (error instanceof Deno.errors.PermissionDenied || code === "EACCES" || code === "EPERM") {
    return new StoreError("io", operation, path, "permission denied", {
      ...cause,
      hint: "Check who owns the file and its mode",
    });
  }
  if (error instanceof Deno.errors.AlreadyExists || code === "EEXIST") {
    return new StoreError("exists", operation, path, "it already exists", cause);
  }
  return new StoreError("io", operation, path, text.replace(/ \(os error \d+\).*$/, ""), cause);
}
