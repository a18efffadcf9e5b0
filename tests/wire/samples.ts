/** samples: one value of each datagram, message and frame, under the names that tests/vectors has their bytes by. */

import type { Bytes } from "../../lib/core/bytes.ts";
import { type ContentId, contentIdFrom, deviceIdFrom } from "../../lib/core/ids.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { proveStart } from "../../lib/session/proofs.ts";
import type { StartBody } from "../../lib/wire/envelope.ts";
import type { Frame } from "../../lib/wire/frame.ts";
import type { Addressed, Message, MessageBody } from "../../lib/wire/message.ts";
import { searchFor, type SearchQuery } from "../../lib/wire/search_query.ts";
import { forEveryone } from "../../lib/core/audience.ts";

/** `size` bytes: first, first + 1, … */
export function sequence(first: number, size: number): Bytes {
  return new Uint8Array(size).map((_, i) => first + i);
}

export const device = signingKeyFrom(new Uint8Array(32).fill(1));
export const accountKey = signingKeyFrom(new Uint8Array(32).fill(2));
export const deviceId = deviceIdFrom(device.publicKey);

export const nonce = sequence(0, 16);
export const cookie = sequence(0x10, 24);
export const ke1 = sequence(0, 96);
export const ke2 = sequence(0, 320);
export const ke3 = sequence(0x80, 64);
export const sessionId = 0x0102_0304_0506_0708n;
export const certificate = sequence(0, 248);

export const startBody: StartBody = {
  account: "ada",
  ke1,
  device: { id: deviceId, signature: proveStart(device, cookie, "ada", ke1) },
};

export const first: ContentId = contentIdFrom(sequence(0x20, 32));
export const second: ContentId = contentIdFrom(sequence(0x40, 32));
const cursor = sequence(0x60, 24);
const none = new Uint8Array(0);

const alive: MessageBody<"alive"> = {
  keepAliveMs: 10_000,
  timeMs: 1_893_499_200_000,
  ticketKeys: [{ day: 21_915, key: new Uint8Array(32).fill(3) }, { day: 21_916, key: new Uint8Array(32).fill(4) }],
  sharesMatch: true,
  observed: { ip: "198.51.100.7", port: 4001 },
  reachable: "yes",
  coordinators: [],
};
const storedKey = { publicKey: accountKey.publicKey, sealed: sequence(0, 60) };
const loginKey = sequence(0xc0, 32);
const authenticated = {
  kind: "authenticated",
  label: "vm-1",
  resetToken: sequence(0xa0, 16),
  ...alive,
  loginKey,
  role: "member",
} as const;

function addressed(transaction: number, message: Message): Addressed {
  return { transaction, message };
}

const query: SearchQuery = {
  terms: [{ mode: "substring", pattern: "film" }, { mode: "glob", pattern: "*.mkv" }],
  filter: {
    minBytes: 100_000_000,
    maxBytes: 2 ** 44,
    extensions: ["mkv", "mp4"],
    sinceMs: 1_893_499_200_000,
    untilMs: 2 ** 53 - 1,
    accounts: ["bob"],
    groups: ["friends"],
  },
};

/** Every kind of control message. */
export const messages: Readonly<Record<string, Addressed>> = {
  auth: addressed(1, {
    kind: "auth",
    deviceId,
    label: "vm-1",
    proof: sequence(0, 64),
    certificate,
    tcpPort: 6000,
    shareDigest: new Uint8Array(32),
    loginKey,
  }),
  authenticated: addressed(1, { ...authenticated, account: "Zo\u00eb", accountKey: storedKey, enrolled: true }),
  "authenticated, no account key yet": addressed(1, {
    ...authenticated,
    account: "ada",
    accountKey: null,
    enrolled: false,
  }),
  enrol: addressed(2, { kind: "enrol", accountKey: storedKey, signature: sequence(0, 64) }),
  enrolled: addressed(2, { kind: "enrolled", accountKey: storedKey, enrolled: true }),
  status: addressed(24, { kind: "status", tcpPort: 0, shareDigest: sequence(0, 32) }),
  alive: addressed(24, {
    kind: "alive",
    ...alive,
    coordinators: [{ ip: "198.51.100.1", port: 5000 }, { ip: "198.51.100.2", port: 5001 }],
  }),
  leave: addressed(255, { kind: "leave" }),
  done: addressed(256, { kind: "done" }),
  share: addressed(65_535, {
    kind: "share",
    entries: [{ name: "dir/a.txt", id: first, bytes: 23, ...forEveryone }, {
      name: "\u6f22",
      id: second,
      bytes: 2 ** 44,
      audience: [{ kind: "account", name: "bob" }, { kind: "group", name: "friends" }],
      description: "seen",
    }],
  }),
  remove: addressed(65_536, { kind: "remove", names: ["a", "b"], scope: "account" }),
  removed: addressed(65_536, { kind: "removed", count: 2 }),
  listPeers: addressed(2 ** 32 - 1, { kind: "listPeers", cursor: none }),
  peers: addressed(2 ** 32 - 1, {
    kind: "peers",
    peers: [{ account: "ada", label: "vm-1", online: true, changedAtMs: 1_893_499_200_000 }],
    cursor,
  }),
  listFiles: addressed(2 ** 32, { kind: "listFiles", scope: "device", cursor }),
  search: addressed(2 ** 53 - 1, { kind: "search", ...searchFor("glob", "*.txt"), cursor: none }),
  "search, with all it can have": addressed(2 ** 53 - 1, {
    kind: "search",
    query,
    order: "size",
    descending: true,
    offline: true,
    cursor,
  }),
  files: addressed(2 ** 53 - 1, {
    kind: "files",
    files: [{
      name: "a.txt",
      id: first,
      bytes: 0,
      holders: 3,
      withdrawn: false,
      sharedAtMs: 1_893_499_200_000,
      ...forEveryone,
    }],
    cursor: none,
  }),
  locate: addressed(5, { kind: "locate", content: { id: first, bytes: 1000 }, offer: true, cursor: none }),
  holders: addressed(5, {
    kind: "holders",
    holders: [{
      account: "ada",
      label: "vm-1",
      deviceId,
      accountKey: accountKey.publicKey,
      deviceSignature: sequence(0, 64),
      certificate,
      endpoints: [{ ip: "2001:db8::1", port: 65_535 }],
      ticket: sequence(0, 160),
      whole: false,
    }],
    cursor,
  }),
  account: addressed(6, { kind: "account", account: "ada" }),
  accountIs: addressed(6, { kind: "accountIs", account: "ada", publicKey: null }),
  error: addressed(7, { kind: "error", code: 13, text: "busy", retryAfterMs: 1000 }),
  setTicket: addressed(35, {
    kind: "setTicket",
    deviceId,
    contents: [{ id: first, bytes: 1000 }, { id: second, bytes: 262_144 }],
  }),
  setTicketIs: addressed(35, { kind: "setTicketIs", ticket: sequence(0, 160), covered: 2 }),
  "setTicketIs, of nothing": addressed(35, { kind: "setTicketIs", ticket: null, covered: 0 }),
  report: addressed(36, { kind: "report", deviceId, ticket: sequence(0, 160), reason: "stalled" }),
  devices: addressed(37, { kind: "devices", cursor: none }),
  devicesAre: addressed(37, {
    kind: "devicesAre",
    devices: [
      { label: "vm-1", enrolledAtMs: 1_893_499_200_000, online: true, changedAtMs: 1_893_499_200_000 },
      { label: "vm-2", enrolledAtMs: null, online: false, changedAtMs: 0 },
    ],
    cursor: none,
  }),
  revokeDevice: addressed(38, { kind: "revokeDevice", label: "vm-2" }),
  revoke: addressed(1, { kind: "revoke", contents: [{ id: first, bytes: 7 }], devices: [deviceId] }),
  pathChallenge: addressed(2, { kind: "pathChallenge", token: sequence(0, 8) }),
  pathResponse: addressed(2, { kind: "pathResponse", token: sequence(0, 8) }),
  close: addressed(0, { kind: "close", code: 13, elsewhere: [{ ip: "192.0.2.7", port: 5000 }] }),
  invited: addressed(1, { kind: "invited", role: "readOnly" }),
  register: addressed(4, { kind: "register", account: "Zo\u00eb", request: sequence(0, 32) }),
  registering: addressed(4, { kind: "registering", account: "Zo\u00eb", response: sequence(0, 64) }),
  registerRecord: addressed(5, { kind: "registerRecord", account: "Zo\u00eb", record: sequence(0, 192) }),
  registered: addressed(5, { kind: "registered", account: "Zo\u00eb" }),
  changePassword: addressed(6, { kind: "changePassword", ke1: sequence(0, 96), request: sequence(0x60, 32) }),
  provePassword: addressed(6, {
    kind: "provePassword",
    ke2: new Uint8Array(320).fill(2),
    response: sequence(0, 64),
    accountKey: storedKey,
  }),
  setPassword: addressed(7, {
    kind: "setPassword",
    ke3: sequence(0, 64),
    record: sequence(0, 192),
    accountKey: storedKey,
    everywhere: true,
  }),
  watch: addressed(36, { kind: "watch", watch: 1, query }),
  unwatch: addressed(37, { kind: "unwatch", watch: 2 ** 32 - 1 }),
  found: addressed(1, {
    kind: "found",
    watch: 1,
    files: [{
      name: "film.mkv",
      id: second,
      bytes: 200_000_000,
      holders: 1,
      withdrawn: false,
      sharedAtMs: 1_893_499_200_000,
      audience: null,
      description: "seen",
    }],
    more: true,
  }),
  audience: addressed(38, {
    kind: "audience",
    audience: [{ kind: "account", name: "bob" }, { kind: "group", name: "friends" }],
  }),
  audienceIs: addressed(38, { kind: "audienceIs", unknown: [{ kind: "group", name: "friends" }] }),
};

/** Every frame but HELLO, which holds a ticket, and DATA, which has no value form. */
export const frames: Readonly<Record<string, Frame>> = {
  challenge: { kind: "challenge", version: 2, nonce: sequence(0, 32) },
  manifest: { kind: "manifest", slice: sequence(0, 64) },
  request: { kind: "request", ranges: [{ first: 0, count: 1 }, { first: 2 ** 30 - 1, count: 1 }] },
  refused: { kind: "refused", code: 4, text: "no", retryAfterMs: 0 },
  heartbeat: { kind: "heartbeat" },
  "have all": { kind: "have", pieces: undefined },
  have: { kind: "have", pieces: { first: 256, bits: new Uint8Array([0x80, 0x01]) } },
  queued: { kind: "queued", place: 3, expectedMs: 20_000 },
  leaves: { kind: "leaves", pieces: [0, 2 ** 20 - 1] },
  "leaf hashes": { kind: "leafHashes", piece: 258, leaves: sequence(0, 64) },
  take: { kind: "take", places: [0, 1, 29] },
  set: { kind: "set", ticket: sequence(0, 4), contents: [{ id: first, bytes: 1000 }, { id: second, bytes: 262_144 }] },
  missing: { kind: "missing", code: 3 },
  asked: { kind: "asked", pieces: [7, 2 ** 20 - 1] },
};
