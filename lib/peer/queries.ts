/** queries: the commands that ask and tell, without moving files.  (I/O through the parts of the peer) */

import { formatFingerprint } from "../session/account_key.ts";
import { hashFile } from "../content/file_hash.ts";
import { bytesEqual } from "../core/bytes.ts";
import { ContentError, RemoteError, ShoalError, UsageError } from "../core/errors.ts";
import type { Endpoint } from "../core/transport.ts";
import type { Identity } from "../membership/types.ts";
import type { UploadServer } from "../transfer/upload_server.ts";
import type { FileEntry } from "../wire/message.ts";
import { basename } from "@std/path";
import type { Command, PeerEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import { errorEvent } from "./error_event.ts";
import type { Fetches } from "./fetches.ts";
import type { KnownAccounts } from "./known_accounts.ts";
import { files, peers } from "./pages.ts";
import { ProgressPace } from "./progress_pace.ts";
import { fileEvent, isGlob } from "./resolve.ts";
import type { Sharing } from "./sharing.ts";

/** The parts that queries look at. */
export interface QueryContext {
  readonly control: Control;
  readonly sharing: Sharing;
  readonly uploads: UploadServer;
  readonly fetches: Fetches;
  readonly known: KnownAccounts;
  readonly identity: Identity;
  readonly coordinator: string;
  readonly address: Endpoint;
  readonly reachable: "unknown" | "yes" | "no";
  readonly home: string;
}

type Query = Exclude<Command, { readonly command: "share" | "serve" | "fetch" | "quit" }>;

/** Answers one query. @throws {ShoalError} With the exit code's class. */
export async function* answerQuery(
  query: Query,
  context: QueryContext,
  signal: AbortSignal,
  emit: (event: PeerEvent) => void,
): AsyncGenerator<PeerEvent> {
  switch (query.command) {
    case "peers":
      for await (const { account, label, online, changedAtMs } of peers(context.control)) {
        signal.throwIfAborted();
        yield { type: "peer", account, device: label, online, changedAtMs };
      }
      return;
    case "myfiles":
      for await (const entry of files(context.control, { kind: "listFiles", scope: "account" })) {
        signal.throwIfAborted();
        yield fileEvent(entry);
      }
      return;
    case "find":
      yield* find(query.pattern, context.control, signal);
      return;
    case "remove":
      yield* remove(query.names, context);
      return;
    case "status":
      yield status(context);
      return;
    case "transfers":
      yield* transfers(context);
      return;
    case "verify":
      yield verify(await hashWithProgress(query.path, signal, emit), await sameNameOrId(query.path, signal, context));
      return;
    case "fingerprint":
      yield await fingerprint(query.account ?? context.identity.account, context);
      return;
    case "trust":
      yield await trust(query.account, context);
      return;
  }
}

async function* find(pattern: string, control: Control, signal: AbortSignal): AsyncGenerator<PeerEvent> {
  let count = 0;
  const mode = isGlob(pattern) ? "glob" : "substring";
  for await (const entry of files(control, { kind: "search", mode, pattern })) {
    signal.throwIfAborted();
    count++;
    yield fileEvent(entry);
  }
  if (count === 0) {
    throw new ShoalError("notFound", `Nobody online shares a file that matches ${JSON.stringify(pattern)}`, {
      hint: "A pattern is a part of the name, or a glob such as *.pdf",
    });
  }
}

async function* remove(names: readonly string[], context: QueryContext): AsyncGenerator<PeerEvent> {
  for (const name of new Set(names)) {
    const isOurs = context.sharing.has(name);
    // First here, so that the name is not announced again if the next step is interrupted.
    if (isOurs) context.sharing.drop([name]);
    const count = await context.sharing.announcer!.remove([name]);
    if (count > 0 || isOurs) {
      yield { type: "removed", name };
      continue;
    }
    // The others are removed all the same: what somebody wants unshared must not stay shared over a slip.
    const message = `Cannot remove ${JSON.stringify(name)}: your account does not share it`;
    yield errorEvent(new ShoalError("notFound", message, { hint: "See what it shares with: myfiles" }));
  }
}

function status(context: QueryContext): PeerEvent {
  const { identity, address } = context;
  return {
    type: "status",
    online: context.control.isOnline,
    account: identity.account,
    device: identity.label,
    coordinator: context.coordinator,
    address: address.ip,
    port: address.port,
    reachable: context.reachable,
    shares: context.sharing.count,
    uploads: context.uploads.uploads.length,
    downloads: context.fetches.running,
    roundTripMs: Math.round(context.control.roundTripMs),
    home: context.home,
  };
}

function* transfers(context: QueryContext): Generator<PeerEvent> {
  yield* context.fetches.list();
  let number = 0;
  for (const upload of context.uploads.uploads) {
    yield {
      type: "transfer",
      number: ++number,
      direction: "up",
      name: context.sharing.fileOf(upload.content)?.name ?? "",
      id: upload.content.id,
      account: upload.account,
      device: upload.deviceId.slice(0, 8),
      doneBytes: upload.sentBytes,
      totalBytes: upload.content.bytes,
      bytesPerSecond: 0,
      state: "running",
    };
  }
}

interface HashedPath {
  readonly path: string;
  readonly id: string;
  readonly bytes: number;
}

async function hashWithProgress(
  path: string,
  signal: AbortSignal,
  emit: (event: PeerEvent) => void,
): Promise<HashedPath> {
  const pace = new ProgressPace();
  const hashed = await hashFile(path, {
    signal,
    onProgress: (doneBytes, totalBytes) => {
      if (pace.isDue()) emit({ type: "progress", name: basename(path), doneBytes, totalBytes, activity: "hash" });
    },
  });
  return { path, id: hashed.content.id, bytes: hashed.content.bytes };
}

/** What the network has under the file's last name component, in any folder. */
async function sameNameOrId(
  path: string,
  signal: AbortSignal,
  { control }: QueryContext,
): Promise<readonly FileEntry[]> {
  const name = basename(path).normalize("NFC");
  const found: FileEntry[] = [];
  for await (const entry of files(control, { kind: "search", mode: "substring", pattern: name })) {
    signal.throwIfAborted();
    if (entry.name === name || entry.name.endsWith(`/${name}`)) found.push(entry);
  }
  return found;
}

function verify({ path, id, bytes }: HashedPath, named: readonly FileEntry[]): PeerEvent {
  const same = named.find((entry) => entry.id === id && entry.bytes === bytes);
  if (same !== undefined) return { type: "verified", path, bytes, id, name: same.name };
  if (named.length > 0) {
    throw new ContentError("integrity", `${path} is not what the network has under that name`, {
      contentId: id,
      hint: `Fetch it again with --overwrite, or by its id`,
    });
  }
  throw new ShoalError("notFound", `Cannot verify ${path}: nobody online shares a file of that name`, {
    hint: `Its content id is ${id}`,
  });
}

/** The key of an account, as remembered; where it is not, as the coordinator says. */
async function fingerprint(account: string, { control, known, identity }: QueryContext): Promise<PeerEvent> {
  const { coordinatorKey } = identity;
  const remembered = known.keyOf(coordinatorKey, account);
  const told = await keyTold(account, control);
  if (remembered === undefined && told.publicKey === null) throw noKey(account);
  const key = remembered ?? told.publicKey!;
  const differs = remembered !== undefined && told.publicKey !== null && !bytesEqual(remembered, told.publicKey);
  return {
    type: "fingerprint",
    account: told.account,
    fingerprint: formatFingerprint(key),
    trust: differs ? "changed" : remembered === undefined ? "new" : "remembered",
  };
}

async function trust(account: string, { control, known, identity }: QueryContext): Promise<PeerEvent> {
  const { account: name, publicKey } = await keyTold(account, control);
  if (publicKey === null) throw noKey(account);
  known.remember(identity.coordinatorKey, name, publicKey);
  return { type: "trusted", account: name, fingerprint: formatFingerprint(publicKey) };
}

async function keyTold(account: string, control: Control) {
  if (account === "") throw new UsageError("Cannot look up an account without a name");
  try {
    return await control.request({ kind: "account", account });
  } catch (error) {
    if (!(error instanceof RemoteError && error.code === "notFound")) throw error;
    throw new ShoalError("notFound", `Cannot look up ${JSON.stringify(account)}: there is no such account`, {
      cause: error,
      hint: "See who is there with: peers",
    });
  }
}

function noKey(account: string): ShoalError {
  return new ShoalError("notFound", `Cannot tell the key of ${JSON.stringify(account)}: it has not logged in yet`, {
    hint: "See who is there with: peers",
  });
}
