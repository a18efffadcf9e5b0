/**
 * admin: what an operator does to a coordinator's accounts, through the running one by its local socket, or by opening the
 * store where none runs. Laws: 1) both ways do the same: `administer` is what they share;  2) a password never crosses the socket: its
 * record does;  3) an account that is disabled, removed or re-keyed has no session left when the command ends;  4) command and
 * coordinator may be of different releases: requests and fields are only added, and one that is not known is refused with `version`.
 *
 *     one line a request, one line an answer, JSON:
 *       {"kind": "setDisabled", "account": "ada", "disabled": true}
 *       {"value": …}  or  {"error": {"code": "notFound", "message": "…", "hint": "…"}}
 */

import { type ErrorCode, errorCodes, NetworkError, ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { connectLocal, type LocalConnection, type LocalListener } from "../net/local.ts";
import { parseAccountName } from "./account_name.ts";
import { DataFolder, type DataPaths, isSocketFolderSafe } from "./data_folder.ts";
import type { RoleFigures } from "./role/types.ts";
import { openSqliteStore } from "./store/sqlite_store.ts";
import type { Store, StoredAccount, StoreFigures } from "./store/store.ts";

/** What `coordinator status` tells. */
export interface CoordinatorStatus extends RoleFigures, StoreFigures {
  readonly address: string;
  readonly port: number;
  readonly uptimeMs: number;
}

/** Every request, with its parameters and its answer. */
interface AdminOperations {
  addAccount: { readonly ask: { readonly account: string; readonly record: string }; readonly answer: string };
  replaceRecord: { readonly ask: { readonly account: string; readonly record: string }; readonly answer: string };
  removeAccount: { readonly ask: { readonly account: string }; readonly answer: string };
  setDisabled: { readonly ask: { readonly account: string; readonly disabled: boolean }; readonly answer: string };
  listAccounts: { readonly ask: unknown; readonly answer: readonly StoredAccount[] };
  status: { readonly ask: unknown; readonly answer: CoordinatorStatus };
}

export type AdminKind = keyof AdminOperations;
export type AdminRequest = { [K in AdminKind]: { readonly kind: K } & AdminOperations[K]["ask"] }[AdminKind];
/** What a request answers; for those about an account its name as it is stored. */
export type AdminAnswer<K extends AdminKind> = AdminOperations[K]["answer"];

/** What is administered. */
export interface AdminTarget {
  readonly store: Store;
  readonly clock: () => number;
  /** Ends an account's sessions, telling them the code. */
  readonly endSessions: (account: string, code: ErrorCode) => void;
  /** @throws {ShoalError} If no coordinator runs. */
  readonly status: () => Promise<CoordinatorStatus>;
}

/** A way to a coordinator. */
export interface Admin extends AsyncDisposable {
  /** @throws {ShoalError} As the coordinator answers. */
  ask<const R extends AdminRequest>(request: R): Promise<AdminAnswer<R["kind"]>>;
}

/**
 * Opens a way: the running coordinator's socket, else its store.
 * @throws {StoreError} If another process has the data folder and does not answer.
 */
export async function openAdmin(paths: DataPaths, clock: () => number): Promise<Admin> {
  return await openRunning(paths) ?? openAlone(paths, clock);
}

/**
 * Opens the way to a coordinator that runs.
 * @throws {NetworkError} If none does.
 */
export async function openRunningAdmin(paths: DataPaths): Promise<Admin> {
  const running = await openRunning(paths);
  if (running === undefined) throw notRunning(paths.folder);
  return running;
}

/** Answers requests that come by the socket, until the listener is closed. */
export async function serveAdmin(listener: LocalListener, target: AdminTarget): Promise<void> {
  const open = new Set<LocalConnection>();
  for (let connection = await listener.accept(); connection !== undefined; connection = await listener.accept()) {
    if (open.size >= limits.adminConnectionsMax) {
      connection.close();
      continue;
    }
    open.add(connection);
    const ended = connection;
    answerAll(ended, target).finally(() => {
      ended.close();
      open.delete(ended);
    });
  }
  for (const connection of open) connection.close();
}

async function openRunning(paths: DataPaths): Promise<Admin | undefined> {
  const { folder, socket } = paths;
  if (!isSocketFolderSafe(paths)) return undefined;
  let connection: LocalConnection;
  try {
    connection = await connectLocal(socket);
  } catch (error) {
    if (error instanceof NetworkError) return undefined; // No socket, or one whose owner died.
    throw error;
  }
  return {
    async ask<R extends AdminRequest>(request: R) {
      await connection.writeLine(JSON.stringify(request));
      const line = await connection.readLine();
      if (line === undefined) throw new NetworkError(`Cannot reach the coordinator of ${folder}: it went away`);
      const answer = JSON.parse(line) as AdminReply;
      if ("error" in answer) throw shoalErrorFrom(answer.error);
      return answer.value as AdminAnswer<R["kind"]>;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(connection.close()),
  };
}

function openAlone(paths: DataPaths, clock: () => number): Admin {
  const folder = DataFolder.open(paths.folder);
  let store: Store;
  try {
    store = openSqliteStore(paths.database);
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
  const target: AdminTarget = {
    store,
    clock,
    endSessions: () => {}, // Nobody is logged in.
    status: () => Promise.reject(notRunning(paths.folder)),
  };
  return {
    ask: <R extends AdminRequest>(request: R) => administer(request, target) as Promise<AdminAnswer<R["kind"]>>,
    async [Symbol.asyncDispose]() {
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}

type AdminReply =
  | { readonly value: unknown }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string } };

async function answerAll(connection: LocalConnection, target: AdminTarget): Promise<void> {
  for (let line = await connection.readLine(); line !== undefined; line = await connection.readLine()) {
    const reply = await answerOne(line, target);
    try {
      await connection.writeLine(JSON.stringify(reply));
    } catch {
      return; // The command was interrupted; what it asked for is done.
    }
  }
}

async function answerOne(line: string, target: AdminTarget): Promise<AdminReply> {
  try {
    const request = JSON.parse(line) as AdminRequest;
    // Answers are not undefined, which JSON would drop.
    return { value: await administer(request, target) };
  } catch (error) {
    const { code, message, hint } = error instanceof ShoalError
      ? error
      : new ShoalError("version", "Cannot run the command: the coordinator that runs is of another release", {
        hint: "Start that coordinator anew with this release, or use the command of its release",
      });
    return { error: hint === undefined ? { code, message } : { code, message, hint } };
  }
}

async function administer(request: AdminRequest, target: AdminTarget): Promise<unknown> {
  const { store, clock, endSessions } = target;
  switch (request.kind) {
    case "addAccount": {
      const account = parseAccountName(request.account);
      const put = await store.putAccount(account, request.record, { overwrite: false, nowMs: clock() });
      if (put === "added") return account;
      throw new ShoalError("exists", `Cannot add ${account}: there is such an account`, {
        hint: `coordinator user passwd ${account} gives it another password`,
      });
    }
    case "replaceRecord": {
      const account = await storedName(store, request.account);
      await store.putAccount(account, request.record, { overwrite: true, nowMs: clock() });
      endSessions(account, "denied");
      return account;
    }
    case "removeAccount": {
      const account = await storedName(store, request.account);
      // First nobody can log in any more, then nobody is logged in, then it goes.
      await store.setDisabled(account, true);
      endSessions(account, "denied");
      await store.removeAccount(account);
      return account;
    }
    case "setDisabled": {
      const account = await storedName(store, request.account);
      await store.setDisabled(account, request.disabled);
      if (request.disabled) endSessions(account, "disabled");
      return account;
    }
    case "listAccounts":
      return await store.listAccounts();
    case "status":
      return await target.status();
  }
  throw new TypeError("an unknown request");
}

async function storedName(store: Store, account: string): Promise<string> {
  const found = await store.findAccount(account);
  if (found !== undefined) return found.name;
  throw new ShoalError("notFound", `Cannot find ${account}: there is no such account`, {
    hint: "coordinator user list shows them all",
  });
}

function shoalErrorFrom({ code, message, hint }: { code: ErrorCode; message: string; hint?: string }): ShoalError {
  // A newer coordinator may have codes of its own.
  return new ShoalError(
    Object.hasOwn(errorCodes, code) ? code : "unknown",
    message,
    hint === undefined ? {} : { hint },
  );
}

function notRunning(folder: string): NetworkError {
  return new NetworkError(`Cannot reach the coordinator of ${folder}: none runs`, {
    hint: "Start it, or name its data folder with --data",
  });
}
