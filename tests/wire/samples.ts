/** samples: one value of each datagram, message and frame, under the names that tests/vectors has their bytes by. */

import type { Bytes } from "../../lib/core/bytes.ts";
import { type ContentId, contentIdFrom, deviceIdFrom } from "../../lib/core/ids.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { proveStart } from "../../lib/session/proofs.ts";
import type { StartBody } from "../../lib/wire/envelope.ts";
import type { Frame } from "../../lib/wire/frame.ts";
import type { Addressed, Message, MessageBody } from "../../lib/wire/message.ts";

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
};
const storedKey = { publicKey: accountKey.publicKey, sealed: sequence(0, 60) };
const authenticated = { kind: "authenticated", label: "vm-1", resetToken: sequence(0xa0, 16), ...alive } as const;

function addressed(transaction: number, message: Message): Addressed {
  return { transaction, message };
}

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
  alive: addressed(24, { kind: "alive", ...alive }),
  leave: addressed(255, { kind: "leave" }),
  done: addressed(256, { kind: "done" }),
  share: addressed(65_535, {
    kind: "share",
    entries: [{ name: "dir/a.txt", id: first, bytes: 23 }, { name: "\u6f22", id: second, bytes: 2 ** 44 }],
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
  search: addressed(2 ** 53 - 1, { kind: "search", mode: "glob", pattern: "*.txt", cursor: none }),
  files: addressed(2 ** 53 - 1, {
    kind: "files",
    files: [{ name: "a.txt", id: first, bytes: 0, holders: 3, withdrawn: false }],
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
  tickets: addressed(35, {
    kind: "tickets",
    deviceId,
    contents: [{ id: first, bytes: 1000 }, { id: second, bytes: 2 ** 44 }],
  }),
  ticketsAre: addressed(35, { kind: "ticketsAre", tickets: [null, sequence(0, 160)] }),
  report: addressed(36, { kind: "report", deviceId, ticket: sequence(0, 160), reason: "stalled" }),
  revoke: addressed(1, { kind: "revoke", contents: [{ id: first, bytes: 7 }], devices: [deviceId] }),
  pathChallenge: addressed(2, { kind: "pathChallenge", token: sequence(0, 8) }),
  pathResponse: addressed(2, { kind: "pathResponse", token: sequence(0, 8) }),
  close: addressed(0, { kind: "close", code: 22 }),
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
  take: { kind: "take", ticket: sequence(0, 4) },
  missing: { kind: "missing", code: 3 },
};
