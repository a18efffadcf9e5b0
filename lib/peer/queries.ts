/** queries: the commands that ask and tell, without moving files.  (I/O through the parts of the peer) */

import { formatFingerprint } from "../session/account_key.ts";
import { bytesEqual } from "../core/bytes.ts";
import { RemoteError, ShoalError, UsageError } from "../core/errors.ts";
import type { Endpoint } from "../core/transport.ts";
import type { Identity } from "../membership/types.ts";
import type { UploadServer } from "../transfer/upload_server.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { Command, PeerEvent } from "./commands.ts";
import type { ProofStep, Proved } from "../session/opaque.ts";
import type { Random } from "../session/random.ts";
import type { Control } from "./control.ts";
import { listDevices, revokeDevice } from "./devices_query.ts";
import { errorEvent } from "./error_event.ts";
import type { FetchStore } from "./fetch_store.ts";
import type { Fetches } from "./fetches.ts";
import type { KnownAccounts } from "./known_accounts.ts";
import { changePassword } from "./password_change.ts";
import { limit, type LimitedTransfer } from "./limit_query.ts";
import { files, peers } from "./pages.ts";
import { fileEvent } from "./resolve.ts";
import { queryOf } from "./wanted.ts";
import type { Watches } from "./watches.ts";
import type { Sharing } from "./sharing.ts";
import { receiptEvent, verify } from "./verification.ts";

/** The parts that queries look at. */
export interface QueryContext {
  readonly control: Control;
  readonly sharing: Sharing;
  readonly watches: Watches;
  /** Coordinator time. */
  readonly nowMs: () => number;
  readonly uploads: UploadServer;
  readonly bandwidth: Bandwidth;
  readonly fetches: Fetches;
  readonly receipts: Pick<FetchStore, "receipts">;
  readonly known: KnownAccounts;
  readonly identity: Identity;
  readonly coordinator: string;
  readonly address: Endpoint;
  readonly reachable: "unknown" | "yes" | "no";
  readonly home: string;
  readonly prove: (step: ProofStep) => Promise<Proved>;
  readonly random: Random;
}

type Query = Exclude<Command, { readonly command: "share" | "serve" | "fetch" | "logout" | "quit" }>;

/** How often `transfers --watch` lists, in milliseconds. */
const watchMs = 1_000;

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
      yield* find(query, context, signal);
      return;
    case "watch":
      yield* context.watches.change(query.change);
      return;
    case "remove":
      yield* remove(query.names, context);
      return;
    case "status":
      yield status(context);
      return;
    case "transfers":
      yield* query.watch === true ? watchTransfers(context, signal) : transfers(context);
      return;
    case "limit":
      yield* limit(query.change, context.bandwidth, limitedTransfers(context));
      return;
    case "verify":
      yield* verify(query, { control: context.control, receipts: context.receipts, signal, emit });
      return;
    case "receipts":
      yield* receipts(query.name, context);
      return;
    case "pause":
      yield* context.fetches.pause(query.fetches);
      return;
    case "resume":
      yield* context.fetches.resume(query.fetches);
      return;
    case "cancel":
      yield* context.fetches.cancel(query.fetches);
      return;
    case "priority":
      yield* context.fetches.prioritize(query.fetches, query.priority);
      return;
    case "fingerprint":
      yield await fingerprint(query.account ?? context.identity.account, context);
      return;
    case "devices":
      if (query.revoke === null) yield* listDevices(context.control, context.identity);
      else yield await revokeDevice(context.control, context.identity, query.revoke);
      return;
    case "trust":
      yield await trust(query.account, context);
      return;
    case "passwd":
      await changePassword(query, context);
      yield { type: "passwordChanged", account: context.identity.account, everywhere: query.everywhere };
      return;
  }
}

async function* find(
  { wanted, order, offline, limit = Infinity }: Query & { readonly command: "find" },
  { control, nowMs }: QueryContext,
  signal: AbortSignal,
): AsyncGenerator<PeerEvent> {
  let count = 0;
  const { by = "found", descending = false } = order ?? {};
  const question = {
    kind: "search",
    query: queryOf(wanted, nowMs()),
    order: by,
    descending,
    offline: offline === true,
  } as const;
  for await (const entry of files(control, question)) {
    signal.throwIfAborted();
    yield fileEvent(entry);
    if (++count >= limit) return;
  }
  if (count > 0) return;
  const who = offline === true ? "Nobody" : "Nobody online";
  const [only, ...others] = wanted.terms;
  const what = only === undefined || others.length > 0 ? "all of that" : JSON.stringify(only.pattern);
  throw new ShoalError("notFound", `${who} shares a file that matches ${what}`, {
    hint: "A word is a part of the name, or a glob such as *.pdf",
  });
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

async function* watchTransfers(context: QueryContext, signal: AbortSignal): AsyncGenerator<PeerEvent> {
  while (!signal.aborted) {
    yield* transfers(context);
    yield { type: "listed", atMs: Date.now() };
    await untilTick(signal);
  }
}

/** Waits for the time of the next list, or the end. */
async function untilTick(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, watchMs);
  const stop = () => resolve();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
}

function* transfers(context: QueryContext): Generator<PeerEvent> {
  yield* context.fetches.list();
  for (const [upload, number] of context.uploads.numbered) {
    yield {
      type: "transfer",
      number,
      direction: "up",
      name: context.sharing.fileOf(upload.content)?.name ?? "",
      id: upload.content.id,
      account: upload.account,
      device: upload.deviceId.slice(0, 8),
      doneBytes: upload.sentBytes,
      totalBytes: upload.content.bytes,
      bytesPerSecond: 0,
      state: upload.place === undefined ? "running" : "waiting",
      ...(upload.place === undefined ? {} : { place: upload.place }),
    };
  }
}

function limitedTransfers({ fetches, uploads, sharing }: QueryContext): LimitedTransfer[] {
  const down = [...fetches.list()].flatMap((event): LimitedTransfer[] =>
    event.type === "transfer" ? [{ direction: "down", number: event.number, name: event.name, flow: undefined }] : []
  );
  const up = [...uploads.numbered].map(([{ content, flow }, number]): LimitedTransfer => {
    return { direction: "up", number, name: sharing.fileOf(content)?.name ?? "", flow };
  });
  return [...down, ...up];
}

function* receipts(name: string | null, context: QueryContext): Generator<PeerEvent> {
  let count = 0;
  for (const receipt of context.receipts.receipts(name === null ? {} : { name })) {
    count++;
    yield receiptEvent(receipt);
  }
  if (count > 0 || name === null) return;
  throw new ShoalError("notFound", `There is no receipt of ${JSON.stringify(name)}: it was not fetched here`, {
    hint: "See what there is with: receipts",
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
