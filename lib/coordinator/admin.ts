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
import { type Role, roles } from "../wire/message.ts";
import { connectLocal, type LocalConnection, type LocalListener } from "../net/local.ts";
import { parseAccountName } from "./account_name.ts";
import { Audit, type AuditEntry, entryOfRequest } from "./audit.ts";
import { DataFolder, type DataPaths, isSocketFolderSafe } from "./data_folder.ts";
import type { News } from "./role/news.ts";
import type { RoleFigures } from "./role/types.ts";
import type { DeviceRow } from "./role/store_effects.ts";
import { parseGroupName } from "./group_name.ts";
import { noGroup } from "./store/refusal.ts";
import { backUp } from "./store/backup.ts";
import { openStore } from "./store/open_store.ts";
import type {
  NewInvite,
  Store,
  StoredAccount,
  StoredGroup,
  StoredInvite,
  StoreFigures,
  StorePlace,
} from "./store/store.ts";

/** What `coordinator status` tells. */
export interface CoordinatorStatus extends RoleFigures, StoreFigures {
  readonly address: string;
  readonly port: number;
  readonly uptimeMs: number;
  readonly datagramsOut: number;
  /** Writes, searches and reads that wait for the store or are under way there. */
  readonly storeWaiting: number;
  readonly storeWrites: number;
  readonly searches: number;
  /** The longest that the loop of datagrams was late in the last 15 to 30 s, in milliseconds. */
  readonly loopLagMs: number;
  readonly rssBytes: number;
  /** Entries of the audit log that could not be written. */
  readonly auditLost: number;
}

/** A backup that was written, and the file without which it is worth nothing. */
export interface BackupReport {
  readonly file: string;
  readonly bytes: number;
  readonly keyFile: string;
}

/** Every request, with its parameters and its answer. */
interface AdminOperations {
  addAccount: { readonly ask: { readonly account: string; readonly record: string }; readonly answer: string };
  replaceRecord: { readonly ask: { readonly account: string; readonly record: string }; readonly answer: string };
  removeAccount: { readonly ask: { readonly account: string }; readonly answer: string };
  setDisabled: { readonly ask: { readonly account: string; readonly disabled: boolean }; readonly answer: string };
  setRole: { readonly ask: { readonly account: string; readonly role: Role }; readonly answer: string };
  /** What is not named stays; null: as all. */
  setLimits: {
    readonly ask: { readonly account: string; readonly sharesMax?: number | null; readonly rate?: number | null };
    readonly answer: StoredAccount;
  };
  createInvites: {
    readonly ask: Pick<NewInvite, "role" | "note"> & {
      readonly expiresAtMs: number;
      readonly invites: readonly Pick<NewInvite, "name" | "record">[];
    };
    readonly answer: number;
  };
  listInvites: { readonly ask: unknown; readonly answer: readonly StoredInvite[] };
  revokeInvite: { readonly ask: { readonly invite: number }; readonly answer: number };
  createGroup: { readonly ask: { readonly group: string }; readonly answer: string };
  deleteGroup: { readonly ask: { readonly group: string }; readonly answer: string };
  /** Whether that changed something. */
  setGroupMember: {
    readonly ask: { readonly group: string; readonly account: string; readonly isMember: boolean };
    readonly answer: boolean;
  };
  listGroups: { readonly ask: unknown; readonly answer: readonly StoredGroup[] };
  listAccounts: { readonly ask: unknown; readonly answer: readonly StoredAccount[] };
  status: { readonly ask: unknown; readonly answer: CoordinatorStatus };
  listDevices: {
    readonly ask: { readonly account: string };
    readonly answer: { readonly account: string; readonly devices: readonly DeviceRow[] };
  };
  revokeDevice: { readonly ask: { readonly account: string; readonly device: string }; readonly answer: string };
  backup: { readonly ask: { readonly file: string }; readonly answer: BackupReport };
}

export type AdminKind = keyof AdminOperations;
export type AdminRequest = { [K in AdminKind]: { readonly kind: K } & AdminOperations[K]["ask"] }[AdminKind];
/** What a request answers; for those about an account its name as it is stored. */
export type AdminAnswer<K extends AdminKind> = AdminOperations[K]["answer"];

/** What is administered. */
export interface AdminTarget {
  readonly store: Store;
  /** Where that is. */
  readonly place: StorePlace;
  /** The file of keys beside it. */
  readonly keyFile: string;
  readonly clock: () => number;
  /** Ends an account's sessions, telling them the code. */
  readonly endSessions: (account: string, code: ErrorCode) => void;
  /** Ends the session and the transfers of a device, by its row number. */
  readonly endDevice: (device: number) => void;
  /** Ends the transfers of accounts that may have lost a right; what they still may fetch they ask for anew. */
  readonly endTransfers: (accounts: readonly string[]) => void;
  /** Has an account's sessions go by its present role and rate from now on. */
  readonly changeStanding: (account: StoredAccount) => void;
  /** Takes what was done to the audit log. */
  readonly audit: (entry: AuditEntry) => void;
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
 * @param place Where the store is; in the data folder unless told.
 * @throws {StoreError} If another process has the data folder and does not answer.
 */
export async function openAdmin(
  paths: DataPaths,
  clock: () => number,
  place: StorePlace = paths.database,
): Promise<Admin> {
  return await openRunning(paths) ?? await openAlone(paths, clock, place);
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

async function openAlone(paths: DataPaths, clock: () => number, place: StorePlace): Promise<Admin> {
  const folder = DataFolder.open(paths.folder);
  let store: Store;
  try {
    store = await openStore(typeof place === "string" ? place : { ...place, as: null });
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
  let warning: string | undefined;
  const audit = new Audit({ path: paths.audit, clock, warn: (text) => warning = text });
  const news: News[] = [];
  const target: AdminTarget = {
    store,
    place,
    keyFile: paths.keys,
    clock,
    // Nobody is logged in here; at other coordinators on a database somebody may be.
    endSessions: (account, code) => news.push({ kind: "accountChanged", account, code }),
    endDevice: (device) => news.push({ kind: "deviceRevoked", device }),
    endTransfers: (accounts) => news.push({ kind: "rightsLost", accounts }),
    changeStanding: ({ name: account, role, rate }) => news.push({ kind: "standingChanged", account, role, rate }),
    audit: (entry) => audit.note(entry),
    status: () => Promise.reject(notRunning(paths.folder)),
  };
  return {
    ask: <R extends AdminRequest>(request: R) => administer(request, target) as Promise<AdminAnswer<R["kind"]>>,
    async [Symbol.asyncDispose]() {
      if (news.length > 0 && typeof place !== "string") {
        const { tellAll } = await import("./bus.ts");
        if (!await tellAll(place.url, news)) warning = "Cannot tell the coordinators that run: the database is away";
      }
      await store.close();
      await audit[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
      if (warning !== undefined) throw new ShoalError("io", warning);
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

/** Does what is asked; what was done, or tried, is audited. */
async function administer(request: AdminRequest, target: AdminTarget): Promise<unknown> {
  // The socket and the store let in their owner alone, and root.
  const by = `uid ${Deno.uid() ?? "unknown"}`;
  const note = (result: string) => {
    const entry = entryOfRequest(request, by, result);
    if (entry !== undefined) target.audit(entry);
  };
  try {
    const answer = await perform(request, target);
    note("ok");
    return answer;
  } catch (error) {
    if (error instanceof ShoalError) note(error.code); // Else it was no request.
    throw error;
  }
}

async function perform(request: AdminRequest, target: AdminTarget): Promise<unknown> {
  const { store, clock, endSessions } = target;
  switch (request.kind) {
    case "addAccount": {
      const account = parseAccountName(request.account);
      const put = await store.putAccount(account, request.record, { overwrite: false, nowMs: clock() });
      if (put === "added") return account;
      if (put === "lookAlike") {
        throw new ShoalError("nameTaken", `Cannot add ${account}: it looks like the name of another account`, {
          hint: "Choose a name that nobody mistakes; coordinator user list shows them all",
        });
      }
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
    case "listDevices": {
      const account = await storedName(store, request.account);
      const limit = limits.devicesPerAccountMax;
      const devices = await store.read({ operation: "listDevices", ask: { account, after: 0, limit } });
      if (!devices.ok) throw new ShoalError(devices.error.code, `Cannot list the devices: ${devices.error.text}`);
      return { account, devices: devices.value };
    }
    case "revokeDevice": {
      const account = await storedName(store, request.account);
      const { device: label } = request;
      const [revoked] = await store.write([{ operation: "revokeDevice", ask: { account, label } }]);
      if (!revoked.ok) {
        throw new ShoalError(revoked.error.code, `Cannot revoke ${JSON.stringify(label)}: ${revoked.error.text}`, {
          hint: `coordinator device list ${account} shows them all`,
        });
      }
      target.endDevice(revoked.value.device);
      return account;
    }
    case "setRole": {
      if (!roles.includes(request.role)) throw new TypeError("an unknown role");
      const account = await storedName(store, request.account);
      await store.setRole(account, request.role);
      return await changed(account, target);
    }
    case "setLimits": {
      const account = await storedName(store, request.account);
      const { sharesMax, rate } = (await store.findAccount(account))!;
      await store.setLimits(account, { sharesMax, rate, ...definedLimits(request) });
      await changed(account, target);
      return await store.findAccount(account);
    }
    case "createInvites": {
      const { role, note, expiresAtMs, invites } = request;
      const nowMs = clock();
      const made = invites.map(({ name, record }) => ({ name, record, role, note, createdAtMs: nowMs, expiresAtMs }));
      await store.putInvites(made, nowMs);
      return made.length;
    }
    case "listInvites":
      return await store.listInvites();
    case "revokeInvite":
      if (await store.revokeInvite(request.invite)) return request.invite;
      throw new ShoalError("notFound", `Cannot revoke invite ${request.invite}: there is none that can still be used`, {
        hint: "coordinator invite list shows them all",
      });
    case "createGroup": {
      const group = parseGroupName(request.group);
      if (await store.createGroup(group, clock())) return group;
      throw new ShoalError("exists", `Cannot create ${group}: there is such a group`, {
        hint: "coordinator group list shows them all",
      });
    }
    case "deleteGroup": {
      const members = await store.deleteGroup(request.group);
      if (members === undefined) throw noGroup(request.group);
      target.endTransfers(members);
      return request.group;
    }
    case "setGroupMember": {
      const { group, account, isMember } = request;
      const changed = await store.setGroupMember(group, account, isMember);
      if (changed && !isMember) target.endTransfers([account]);
      return changed;
    }
    case "listGroups":
      return await store.listGroups();
    case "listAccounts":
      return await store.listAccounts();
    case "status":
      return await target.status();
    case "backup":
      return { file: request.file, bytes: await backUp(target.place, request.file), keyFile: target.keyFile };
  }
  throw new TypeError("an unknown request");
}

/** Tells the sessions of an account what it may do now; its name. */
async function changed(account: string, { store, changeStanding }: AdminTarget): Promise<string> {
  const found = await store.findAccount(account);
  if (found !== undefined) changeStanding(found);
  return account;
}

function definedLimits({ sharesMax, rate }: AdminOperations["setLimits"]["ask"]) {
  return { ...(sharesMax === undefined ? {} : { sharesMax }), ...(rate === undefined ? {} : { rate }) };
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
