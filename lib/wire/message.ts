/**
 * message: the control messages that travel inside sealed datagrams. A payload is one CBOR array
 * `[code, transaction, …fields]`; the tables below are the CDDL of PROTOCOL.md "Control messages" in code. Laws: 1) a
 * decoded message is already legal;  2) codes are append-only, and one that is not known is refused, not ignored;  3) every request names a transaction of its sender and gets one answer
 * with that number, a `close` none.  (pure)
 */

import type { Bytes } from "../core/bytes.ts";
import { errorCodes, fail, ok, type Result } from "../core/errors.ts";
import type { ContentId, DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { audienceField } from "./audience.ts";
import {
  type AnyFields,
  bytes,
  choice,
  decodeCbor,
  encodeCbor,
  type Field,
  flag,
  hexId,
  list,
  type ObjectOf,
  optional,
  record,
  text,
  uint,
  type ValueOf,
} from "./cbor.ts";
import { type CborValue, Written } from "./cbor_item.ts";
import { contentList } from "./content_list.ts";
import { sealedPayloadBytesMax } from "./envelope.ts";
import { searchOrders, searchQuery } from "./search_query.ts";

const name = text(limits.nameBytesMax, 1);
const account = text(limits.accountBytesMax, 1);
const label = text(limits.labelBytesMax, 1);
const port = uint(65_535);
const fileBytes = uint(limits.fileBytesMax);
/** Empty on the first page; in an answer empty after the last. Opaque to peers. */
const cursor = bytes(limits.cursorBytesMax, 0);
const endpoint = record({ ip: text(45, 2), port: uint(65_535, 1) });
const content = record({ id: hexId<ContentId>(), bytes: fileBytes });
const digest = bytes(32);
const accountKey = record({ publicKey: bytes(32), sealed: bytes(128, 1) });
const ticket = bytes(limits.ticketBytesMax, 1);
/** Chosen by the peer. */
const watchNumber = uint(0xffff_ffff, 1);
const ticketKeys = list(record({ day: uint(0xffff_ffff), key: bytes(32) }), 3);

/** Whether the coordinator's dial-back met the device at its announced TCP port. */
export const reachabilities = ["unknown", "yes", "no"] as const;
/** What an account may do: `operator` and `member` all that peers can, `readOnly` search and fetch, not share. */
export const roles = ["member", "operator", "readOnly"] as const;
/** Whose shares a list or a removal is about. */
export const shareScopes = ["account", "device"] as const;
/** What a holder did: wrong bytes, a wrong piece layer, a broken rule of the transfer, nothing in time, next to nothing. */
export const reportReasons = ["wrongPiece", "wrongManifest", "protocol", "stalled"] as const;

const description = text(limits.descriptionBytesMax);
const shareEntry = record({ name, id: hexId<ContentId>(), bytes: fileBytes, audience: audienceField, description });
const fileEntry = record({
  name,
  id: hexId<ContentId>(),
  bytes: fileBytes,
  holders: uint(),
  withdrawn: flag,
  /** When the first of those who count here shared it, in coordinator time. */
  sharedAtMs: uint(),
  description,
  /** In a list of one's own alone; null in what others share. */
  audience: audienceField,
});
const peerEntry = record({ account, label, online: flag, changedAtMs: uint() });
/** `enrolledAtMs`: since when its key lets it in; null where it needs the password. */
const deviceEntry = record({ label, enrolledAtMs: optional(uint()), online: flag, changedAtMs: uint() });
const holderEntry = record({
  account,
  label,
  deviceId: hexId<DeviceId>(),
  accountKey: bytes(32),
  deviceSignature: bytes(64),
  certificate: bytes(limits.certificateBytesMax, 1),
  endpoints: list(endpoint, 4),
  ticket,
  /** False for a device that still fetches it, and serves the pieces that it has. */
  whole: flag,
});

export type ShareEntry = ValueOf<typeof shareEntry>;
/** One file as lists and searches show it; `withdrawn` only in a device's own list: removed while the device was away. */
export type FileEntry = ValueOf<typeof fileEntry>;
export type PeerEntry = ValueOf<typeof peerEntry>;
export type DeviceEntry = ValueOf<typeof deviceEntry>;
/** A device that has a content online, how to reach it, and what lets us in. Untrusted until `session/account_key` agrees. */
export type HolderEntry = ValueOf<typeof holderEntry>;
export type TicketKey = ValueOf<typeof ticketKeys>[number];
export type Role = typeof roles[number];
export type ShareScope = typeof shareScopes[number];
export type ReportReason = typeof reportReasons[number];

/** What a keep-alive's answer tells; AUTH's answer tells it too. */
const alive = {
  keepAliveMs: uint(3_600_000, 1),
  timeMs: uint(),
  ticketKeys,
  sharesMatch: flag,
  observed: endpoint,
  reachable: choice(reachabilities),
  /** Every coordinator of this network that peers may log in at, this one too; none: it is alone, or does not know. */
  coordinators: list(endpoint, limits.coordinatorsMax),
};

const table = {
  // Peer → coordinator, and their answers
  /** The first sealed message: enrols the device's key and its label. `proof` signs `authProof(transcript)`. */
  auth: {
    code: 1,
    fields: {
      deviceId: hexId<DeviceId>(),
      label,
      proof: bytes(64),
      certificate: bytes(limits.certificateBytesMax, 1),
      tcpPort: port,
      shareDigest: digest,
      /** The X25519 key by which this device logs in from now on; `proof` covers it. */
      loginKey: bytes(32),
    },
  },
  authenticated: {
    code: 2,
    fields: {
      account,
      label,
      resetToken: bytes(16),
      /** The account key as stored, or null where none is yet. */
      accountKey: optional(accountKey),
      /** Whether the stored account key has signed this device. */
      enrolled: flag,
      ...alive,
      /** The coordinator's X25519 key, to which logins by key are sealed. */
      loginKey: bytes(32),
      role: choice(roles),
    },
  },
  /** Puts the sealed account key if absent, and this device's signature by it. */
  enrol: { code: 3, fields: { accountKey, signature: bytes(64) } },
  /** The account key as stored now, and whether it is the one that signed this device. */
  enrolled: { code: 4, fields: { accountKey, enrolled: flag } },
  /** Keep-alive and presence. `tcpPort` 0: serves nothing. */
  status: { code: 5, fields: { tcpPort: port, shareDigest: digest } },
  alive: { code: 6, fields: alive },
  /** Logs out: away at once. */
  leave: { code: 7, fields: {} },
  done: { code: 8, fields: {} },
  /** Adds to the device's shares, or replaces those of the same name. Durable before `done`. */
  share: { code: 9, fields: { entries: list(shareEntry, limits.entriesMax) } },
  /** Removes by name: at this device, or at every device of the account (others are told, and get it `withdrawn` later). */
  remove: { code: 10, fields: { names: list(name, limits.entriesMax), scope: choice(shareScopes) } },
  removed: { code: 11, fields: { count: uint() } },
  listPeers: { code: 12, fields: { cursor } },
  peers: { code: 13, fields: { peers: list(peerEntry, 64), cursor } },
  listFiles: { code: 14, fields: { scope: choice(shareScopes), cursor } },
  search: {
    code: 15,
    fields: { query: searchQuery, order: choice(searchOrders), descending: flag, offline: flag, cursor },
  },
  files: { code: 16, fields: { files: list(fileEntry, 64), cursor } },
  /** Who has this content online, how to reach them, and a ticket for each. `offer`: the asker fetches it now and serves what it has. */
  locate: { code: 17, fields: { content, offer: flag, cursor } },
  holders: { code: 18, fields: { holders: list(holderEntry, 8), cursor } },
  /** The public key of an account, as the coordinator has it. */
  account: { code: 19, fields: { account } },
  accountIs: { code: 20, fields: { account, publicKey: optional(bytes(32)) } },
  error: {
    code: 21,
    fields: { code: uint(255), text: text(limits.errorTextBytesMax), retryAfterMs: uint(3_600_000) },
  },
  /** A ticket for small contents together, at one holder that is known already. */
  setTicket: { code: 22, fields: { deviceId: hexId<DeviceId>(), contents: contentList } },
  /** For those that the device has for the asker: bit i of `covered` is content i of these asked. Null, if it has none. */
  setTicketIs: { code: 23, fields: { ticket: optional(ticket), covered: uint(2 ** limits.setMax - 1) } },
  /** What the holder did whom this ticket was for. */
  report: { code: 24, fields: { deviceId: hexId<DeviceId>(), ticket, reason: choice(reportReasons) } },
  /** The devices of the account. */
  devices: { code: 25, fields: { cursor } },
  devicesAre: { code: 26, fields: { devices: list(deviceEntry, 64), cursor } },
  /** Takes its key from a device of the account, and ends its session and transfers; it needs the password from then on. */
  revokeDevice: { code: 27, fields: { label } },

  // Coordinator → peer
  /** Ends open uploads of these contents and to these devices; the share list may have changed. Answered by `done`. */
  revoke: { code: 32, fields: { contents: list(content, 16), devices: list(hexId<DeviceId>(), 16) } },
  /** Sent to a session's new address; the answer from there moves the session. */
  pathChallenge: { code: 33, fields: { token: bytes(8) } },
  pathResponse: { code: 34, fields: { token: bytes(8) } },
  /** The session is over, and why; coordinators to log in at in place of this one, the first before the others. Not answered. */
  close: { code: 35, fields: { code: uint(255), elsewhere: list(endpoint, 4) } },

  // Accounts: codes 40 to 49
  /** Answers AUTH of an invite: this session registers one account, of this role, and does nothing else. */
  invited: { code: 40, fields: { role: choice(roles) } },
  /** Asks for a name, and begins the registration of a password under it. */
  register: { code: 41, fields: { account, request: bytes(32) } },
  registering: { code: 42, fields: { account, response: bytes(64) } },
  /** Makes the account and spends the invite: both durable before `registered`, which ends the session. */
  registerRecord: { code: 43, fields: { account, record: bytes(192) } },
  registered: { code: 44, fields: { account } },
  /** Begins to change the password: KE1 of the old one, the registration of the new one. */
  changePassword: { code: 45, fields: { ke1: bytes(96), request: bytes(32) } },
  provePassword: { code: 46, fields: { ke2: bytes(320), response: bytes(64), accountKey: optional(accountKey) } },
  /** Proves the old password, and puts the new one with the account key sealed anew. `everywhere`: ends all other sessions. */
  setPassword: {
    code: 47,
    fields: { ke3: bytes(64), record: bytes(192), accountKey: optional(accountKey), everywhere: flag },
  },

  // Standing searches and audiences
  /** Begins a standing search, or replaces that of the same number. It ends with the session. */
  watch: { code: 50, fields: { watch: watchNumber, query: searchQuery } },
  unwatch: { code: 51, fields: { watch: watchNumber } },
  /** Coordinator → peer: what matches and was shared now; `more`: and more than this, which a search finds. Answered by `done`. */
  found: { code: 52, fields: { watch: watchNumber, files: list(fileEntry, limits.foundFilesMax), more: flag } },
  /** Which of these names mean nobody: no account, or no group that the asker is in. */
  audience: { code: 53, fields: { audience: audienceField } },
  audienceIs: { code: 54, fields: { unknown: audienceField } },
} as const satisfies Record<string, { readonly code: number; readonly fields: AnyFields }>;

export type MessageKind = keyof typeof table;
/** The fields of one kind. */
export type MessageBody<K extends MessageKind> = ObjectOf<(typeof table)[K]["fields"]>;
/** One kind without its transaction, as callers write it. */
export type MessageOf<K extends MessageKind> = { readonly kind: K } & MessageBody<K>;
/** Any message without its transaction. */
export type Message = { [K in MessageKind]: MessageOf<K> }[MessageKind];
export type Request = Extract<Message, {
  kind:
    | "auth"
    | "enrol"
    | "status"
    | "leave"
    | "share"
    | "remove"
    | "listPeers"
    | "listFiles"
    | "search"
    | "locate"
    | "account"
    | "setTicket"
    | "report"
    | "devices"
    | "revokeDevice"
    | "watch"
    | "unwatch"
    | "audience"
    | "register"
    | "registerRecord"
    | "changePassword"
    | "setPassword";
}>;

/** The kinds that peers send as requests, with what answers each (an `error` may always). */
export const requestAnswers = {
  auth: "authenticated",
  enrol: "enrolled",
  status: "alive",
  leave: "done",
  share: "done",
  remove: "removed",
  listPeers: "peers",
  listFiles: "files",
  search: "files",
  locate: "holders",
  account: "accountIs",
  setTicket: "setTicketIs",
  report: "done",
  devices: "devicesAre",
  revokeDevice: "done",
  watch: "done",
  unwatch: "done",
  audience: "audienceIs",
  register: "registering",
  registerRecord: "registered",
  changePassword: "provePassword",
  setPassword: "done",
} as const satisfies Record<Request["kind"], MessageKind>;

/** What answers a request of kind K. */
export type AnswerOf<K extends Request["kind"]> = { [R in K]: MessageOf<(typeof requestAnswers)[R]> }[K];

/** A message on the wire. */
export interface Addressed {
  /** 1 … 2^53−1, growing within a session and direction; 0 in `close`. */
  readonly transaction: number;
  readonly message: Message;
}

const transaction = uint();
const fieldsByKind = new Map<string, Field<Record<string, unknown>>>();
const kindByCode = new Map<number, MessageKind>();
for (const [kind, { code, fields }] of Object.entries(table)) {
  fieldsByKind.set(kind, record(fields as AnyFields));
  kindByCode.set(code, kind as MessageKind);
}

/** Every kind with its code, for tests and documents. */
export const messageCodes: ReadonlyMap<number, MessageKind> = kindByCode;

const addressed: Field<Addressed> = {
  toCbor({ transaction: number, message }) {
    const fields = fieldsByKind.get(message.kind)!.toCbor(message as unknown as Record<string, unknown>);
    return [table[message.kind].code, transaction.toCbor(number), ...(fields as readonly never[])];
  },
  fromCbor(value) {
    const [code, number, ...fields] = Array.isArray(value) ? value : [];
    const kind = kindByCode.get(code);
    if (kind === undefined) throw new Error("an unknown message code");
    const message = { kind, ...fieldsByKind.get(kind)!.fromCbor(fields) } as unknown as Message;
    return { transaction: transaction.fromCbor(number), message };
  },
};

/** Encodes one message. @throws {RangeError} If a field is over its limit or the whole does not fit a datagram. */
export function encodeMessage(transaction: number, message: Message): Bytes {
  return encodeWhole(message.kind, addressed.toCbor({ transaction, message }));
}

/** Writes the files of an answer once, for many that tell the same. */
export function writeFiles(files: readonly FileEntry[]): Written {
  return new Written(encodeCbor(table.files.fields.files.toCbor(files)));
}

/** Encodes `files` as `encodeMessage` would. @throws {RangeError} As that. */
export function encodeFiles(number: number, files: Written, next: Bytes): Bytes {
  return encodeWhole("files", [table.files.code, transaction.toCbor(number), files, cursor.toCbor(next)]);
}

function encodeWhole(kind: MessageKind, value: CborValue): Bytes {
  const payload = encodeCbor(value);
  if (payload.length > sealedPayloadBytesMax) throw new RangeError(`${kind} does not fit a datagram`);
  return payload;
}

/** Decodes one message; never throws. */
export function decodeMessage(payload: Uint8Array): Result<Addressed> {
  const decoded = decodeCbor(payload, addressed);
  return decoded.ok ? ok(decoded.value) : fail(decoded.error);
}

/** Reads what a message of no known code begins with, alike in all of them. */
const unknownMessage: Pick<Field<number>, "fromCbor"> = {
  fromCbor(value) {
    const [code, number] = Array.isArray(value) ? value : [];
    if (kindByCode.has(uint().fromCbor(code))) throw new Error("a known message code");
    return uint(Number.MAX_SAFE_INTEGER, 1).fromCbor(number);
  },
};

/**
 * Answers a legal payload whose code is none of ours: somebody newer asks, and must not wait in vain. Undefined for what is illegal, and
 * for transaction 0, which wants no answer.
 */
export function refuseUnknown(payload: Uint8Array): Addressed | undefined {
  const transaction = decodeCbor(payload, unknownMessage);
  if (!transaction.ok) return undefined;
  return { transaction: transaction.value, message: errorMessage("version", "that message is not known here") };
}

/** Builds the answer that refuses a request. The text is cut to its limit, what no text field may hold becomes `?`. */
export function errorMessage(code: keyof typeof errorCodes, reason: string, retryAfterMs = 0): MessageOf<"error"> {
  const short = reason.slice(0, Math.floor(limits.errorTextBytesMax / 3)).toWellFormed().replaceAll("\ufffd", "?");
  return { kind: "error", code: errorCodes[code].wire, text: short, retryAfterMs };
}
