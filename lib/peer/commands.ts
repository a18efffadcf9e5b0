/**
 * commands: what a peer can be asked, and the events it answers with. The prompt, one-shot commands and the local socket all
 * speak these; under `--json` each public event is one line. Laws: 1) fields are only ever added;  2) sizes are exact bytes, times
 * are milliseconds;  3) names are raw here and escaped where they are shown.  Spec: docs/cli.md.  (pure: types alone)
 */

import type { ErrorCode } from "../core/errors.ts";
import type { Audience } from "../core/audience.ts";
import type { SearchOrder } from "../wire/search_query.ts";

/** What to do when the final name is taken by other content. */
export type OnExists = "refuse" | "overwrite" | "rename";

/** What to fetch: a name, a glob or 64 hex digits as typed (`pattern`), or one exact file out of a list (`file`). */
export type FetchTarget =
  | { readonly pattern: string }
  | { readonly file: { readonly name: string; readonly id: string; readonly bytes: number } };

/** Fetches by their numbers in `transfers`, or every one that it applies to. */
export type FetchNumbers = readonly number[] | "all";

/** Who goes first where fetches wait. */
export type FetchPriority = "high" | "normal" | "low";

/** A limit to be set: of the whole peer, or of one transfer by its number. Null bytes a second are no limit. */
export interface LimitChange {
  readonly direction: "up" | "down";
  readonly bytesPerSecond: number | null;
  readonly number: number | null;
}

export type Command =
  | { readonly command: "peers" }
  | { readonly command: "myfiles" }
  | {
    readonly command: "share";
    /** Absolute: the process that was asked may have another working folder. */
    readonly paths: readonly string[];
    /** For whom, null for everyone; where it is not told it stays as it was, at first everyone. */
    readonly audience?: Audience | undefined;
    /** What it is, empty for nothing; where it is not told it stays as it was. */
    readonly description?: string | undefined;
  }
  /** Serves what is shared already. Nothing to do for a peer that runs; refused where it would have to be a second one. */
  | { readonly command: "serve" }
  | {
    readonly command: "find";
    readonly wanted: Wanted;
    /** As they come unless told. */
    readonly order?: { readonly by: Exclude<SearchOrder, "found">; readonly descending: boolean } | undefined;
    /** Whether files are shown too that only devices share which are away. */
    readonly offline?: true | undefined;
    /** How many are shown at the most. */
    readonly limit?: number | undefined;
  }
  /** Begins or ends standing searches, or lists them. */
  | { readonly command: "watch"; readonly change: WatchChange | null }
  | { readonly command: "remove"; readonly names: readonly string[] }
  | {
    readonly command: "fetch";
    readonly targets: readonly FetchTarget[];
    /** Absolute download folder. */
    readonly folder: string;
    readonly onExists: OnExists;
    /** Give up after this long without progress, in milliseconds. */
    readonly timeoutMs: number;
    /** Somebody chose `timeoutMs`: it holds too while no command waits for the fetch, which else goes on without end. */
    readonly timeoutTold?: true | undefined;
    /** Nobody sits and waits for the end: without a time that was chosen there is none. */
    readonly inBackground?: true | undefined;
    /** Normal unless told. */
    readonly priority?: FetchPriority | undefined;
    /** Whether the file is synced to disk before it gets its final name. */
    readonly sync: boolean;
  }
  | { readonly command: "status" }
  /** `watch`: again each second, until it is stopped. */
  | { readonly command: "transfers"; readonly watch?: true | undefined }
  /** Sets a limit, or shows all of them. */
  | { readonly command: "limit"; readonly change: LimitChange | null }
  | { readonly command: "pause"; readonly fetches: FetchNumbers }
  | { readonly command: "resume"; readonly fetches: FetchNumbers }
  | { readonly command: "cancel"; readonly fetches: FetchNumbers }
  | { readonly command: "priority"; readonly fetches: FetchNumbers; readonly priority: FetchPriority }
  /** What fetches have left; of one name in the network if it is told. */
  | { readonly command: "receipts"; readonly name: string | null }
  | {
    readonly command: "verify";
    /** A local file, absolute; or with `byReceipt` also a receipt in a file. */
    readonly path: string;
    /** The word as it was typed: where no file has that path it is the network's name of one that was fetched here. */
    readonly word?: string | undefined;
    /** Against the receipt of the fetch, instead of the network. */
    readonly byReceipt?: true | undefined;
  }
  | { readonly command: "fingerprint"; readonly account: string | null }
  | { readonly command: "trust"; readonly account: string }
  /** Lists the account's devices, or takes from one the key by which it logs in. */
  | { readonly command: "devices"; readonly revoke: string | null }
  /** Takes this device's key from it, forgets the coordinator, and ends the peer that owns the home. */
  | { readonly command: "logout" }
  | ({ readonly command: "passwd" } & PasswordChange)
  /** Ends the peer that owns the home. */
  | { readonly command: "quit" };

/** Another password for the account. The two are typed at the process that asks, and are in no history, log or argument. */
export interface PasswordChange {
  readonly oldPassword: string;
  readonly newPassword: string;
  /** Whether all other devices of the account are logged out and need the new password. */
  readonly everywhere: boolean;
}

export type CommandName = Command["command"];

/** What is looked for: every word, and within every bound. */
export interface Wanted {
  readonly terms: readonly { readonly mode: "substring" | "glob"; readonly pattern: string }[];
  readonly minBytes?: number | undefined;
  readonly maxBytes?: number | undefined;
  /** Without the dot; any of them. */
  readonly extensions?: readonly string[] | undefined;
  /** Shared at most, or at least, so long ago, in milliseconds. */
  readonly youngerMs?: number | undefined;
  readonly olderMs?: number | undefined;
  /** Accounts that share it; any of them. */
  readonly accounts?: readonly string[] | undefined;
  /** Groups that it is shared with; any of them. */
  readonly groups?: readonly string[] | undefined;
}

/** A standing search to be begun, or numbers of those to be ended. */
export type WatchChange =
  | { readonly kind: "add"; readonly wanted: Wanted; /** As they were typed. */ readonly words: readonly string[] }
  | { readonly kind: "remove"; readonly watches: FetchNumbers };

export interface FileEvent {
  readonly type: "file";
  readonly name: string;
  readonly bytes: number;
  readonly id: string;
  readonly holders: number;
  /** When it was first shared so, in coordinator time; 0: before that was noted. */
  readonly sharedAtMs: number;
  readonly description?: string;
  /** Of one's own that are not for everyone. */
  readonly audience?: Audience;
}

/** A standing search, as `watch list` shows it. */
export interface WatchEvent {
  readonly type: "watch";
  readonly number: number;
  /** As they were typed. */
  readonly words: readonly string[];
  /** Whether the coordinator has it now; why not, where it refused. */
  readonly state: "watching" | "waiting" | "refused";
  readonly why?: string;
}

/** A file that is fetched or served. Commands take the number of one that is fetched. */
export interface TransferEvent {
  readonly type: "transfer";
  readonly number: number;
  readonly direction: "up" | "down";
  readonly name: string;
  readonly id: string;
  readonly account: string;
  readonly device: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly state: "waiting" | "running" | "verifying" | "paused" | "done" | "failed" | "cancelled";
  readonly priority?: FetchPriority;
  /** Where it stands among those that wait for their turn; the next one has 1. */
  readonly place?: number;
  /** What it waits for, as `for a holder`; or why it failed. */
  readonly why?: string;
}

/** A limit that holds: of the whole peer where `number` is null, else of one transfer. */
export interface LimitEvent {
  readonly type: "limit";
  readonly direction: "up" | "down";
  readonly number: number | null;
  /** The transfer's. */
  readonly name: string;
  /** Null is no limit. */
  readonly bytesPerSecond: number | null;
  /** Who set it. */
  readonly by: "option" | "schedule" | "command";
  /** The window of the schedule, as it was written; else empty. */
  readonly window: string;
  /** Whether the own network is exempt. */
  readonly lanUnlimited: boolean;
}

/** How bytes reach us; more kinds come with more paths. */
export type PathKind = "direct";

export type PeerEvent =
  | {
    readonly type: "ready";
    readonly v: 1;
    readonly program: "peer";
    readonly address: string;
    readonly port: number;
    readonly account: string;
    readonly device: string;
  }
  | {
    readonly type: "peer";
    readonly account: string;
    readonly device: string;
    readonly online: boolean;
    readonly changedAtMs: number;
  }
  | FileEvent
  | {
    readonly type: "shared";
    readonly name: string;
    readonly bytes: number;
    readonly id: string;
    /** Where it is not for everyone. */
    readonly audience?: Audience;
  }
  | WatchEvent
  | { readonly type: "unwatched"; readonly number: number; readonly words: readonly string[] }
  /** A standing search found what was shared now, or while this peer was away. */
  | (Omit<FileEvent, "type"> & { readonly type: "found"; readonly watch: number })
  | { readonly type: "removed"; readonly name: string }
  /** While hashing (`share`, `verify`) or fetching; at most ten a second a file. */
  | {
    readonly type: "progress";
    readonly name: string;
    readonly doneBytes: number;
    readonly totalBytes: number;
    readonly activity?: "fetch" | "hash";
    readonly bytesPerSecond?: number;
    readonly holders?: number;
    readonly path?: PathKind;
    /** With the progress of a whole `fetch` of many files: how many of them are there. `name` is then what was asked for. */
    readonly files?: { readonly done: number; readonly total: number };
  }
  /** A `fetch` that means several files begins. */
  | { readonly type: "fetching"; readonly name: string; readonly files: number; readonly bytes: number }
  /** And has ended. */
  | {
    readonly type: "summary";
    /** What was asked for. */
    readonly name: string;
    readonly files: number;
    /** Files that are there, and their bytes. */
    readonly done: number;
    readonly bytes: number;
    /** Bytes that this run took from the network, and its time. */
    readonly fetchedBytes: number;
    readonly tookMs: number;
  }
  | {
    readonly type: "fetched";
    readonly name: string;
    /** Absolute path of the finished file. */
    readonly path: string;
    readonly bytes: number;
    readonly id: string;
    readonly holders: readonly { readonly account: string; readonly device: string; readonly bytes: number }[];
    readonly refetchedBytes: number;
    /** Bytes that this run took from the network, and its time. */
    readonly fetchedBytes: number;
    /** Bytes that this run took from other files on this disk. */
    readonly reusedBytes: number;
    /** Bytes that came over the network for them; fewer where holders compressed. */
    readonly wireBytes: number;
    readonly tookMs: number;
  }
  | {
    readonly type: "status";
    readonly online: boolean;
    readonly account: string;
    readonly device: string;
    readonly coordinator: string;
    readonly address: string;
    readonly port: number;
    readonly reachable: "unknown" | "yes" | "no";
    readonly shares: number;
    readonly uploads: number;
    readonly downloads: number;
    readonly roundTripMs: number;
    readonly home: string;
  }
  | TransferEvent
  /** With `watch`: the list is whole; the next one follows. */
  | { readonly type: "listed"; readonly atMs: number }
  | LimitEvent
  | {
    readonly type: "receipt";
    readonly name: string;
    readonly path: string;
    readonly bytes: number;
    readonly id: string;
    readonly holders: readonly {
      readonly account: string;
      readonly device: string;
      readonly deviceId: string;
      readonly bytes: number;
    }[];
    /** What the holders sent in the last run; the rest of the bytes came in earlier ones. */
    readonly fetchedBytes: number;
    readonly startedAtMs: number;
    readonly finishedAtMs: number;
    readonly coordinator: string;
  }
  | {
    readonly type: "verified";
    readonly path: string;
    readonly bytes: number;
    readonly id: string;
    /** The file's name in the network. */
    readonly name: string;
    /** What says that these are its bytes. */
    readonly by?: "network" | "receipt";
  }
  | {
    readonly type: "fingerprint";
    readonly account: string;
    readonly fingerprint: string;
    /** Whether this peer remembers that key; `changed` where the coordinator now says another. */
    readonly trust: "remembered" | "new" | "changed";
  }
  /** A device of the own account. */
  | {
    readonly type: "device";
    readonly device: string;
    /** Whether it is the one that answers. */
    readonly isThis: boolean;
    readonly online: boolean;
    /** When it last came or went. */
    readonly changedAtMs: number;
    /** Since when its key lets it in; null where it needs the password. */
    readonly enrolledAtMs: number | null;
  }
  | { readonly type: "revoked"; readonly device: string }
  | { readonly type: "loggedOut"; readonly account: string; readonly device: string }
  /** An account was made over the network; what follows is logged in to it. */
  | { readonly type: "registered"; readonly account: string }
  | { readonly type: "passwordChanged"; readonly account: string; readonly everywhere: boolean }
  | { readonly type: "trusted"; readonly account: string; readonly fingerprint: string }
  /** A name that means several contents; an `error` with code `usage` follows. A person is asked to choose. */
  | { readonly type: "ambiguous"; readonly name: string; readonly choices: readonly FileEvent[] }
  /** Something worth a line on stderr: reconnected, logged in again, a file changed, a download resumes. */
  | { readonly type: "note"; readonly message: string }
  | {
    readonly type: "error";
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint: string;
  };

/** The last thing that a command answers, on the local socket and in process; never shown. */
export interface CommandEnd {
  readonly type: "end";
  /** The command's exit code (docs/cli.md): of its first error, or 0. */
  readonly exitCode: number;
}

/** Runs commands: the peer itself in process, or a connection to the peer that owns the home. */
export interface CommandRunner {
  /** Runs one command; the last item is its end. Aborting stops it with what is verified kept. */
  run(command: Command, signal: AbortSignal): AsyncIterable<PeerEvent | CommandEnd>;
  /** Notes that belong to no command (connection lost, logged in again). Undefined when the runner is gone. */
  nextNote(): Promise<PeerEvent | undefined>;
  /** Names for Tab completion that were lately found or are shared here, at most 1,000. */
  knownNames(): Promise<readonly string[]>;
}
