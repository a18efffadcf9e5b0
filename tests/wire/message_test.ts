import { assert, assertEquals, assertLessOrEqual, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concatBytes } from "../../lib/core/bytes.ts";
import { errorCodeFromWire, errorCodes } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import { type CborValue, encodeCbor } from "../../lib/wire/cbor.ts";
import { sealedPayloadBytesMax } from "../../lib/wire/envelope.ts";
import {
  decodeMessage,
  encodeFiles,
  encodeMessage,
  errorMessage,
  type FileEntry,
  type HolderEntry,
  type Message,
  messageCodes,
  type MessageOf,
  type PeerEntry,
  requestAnswers,
  writeFiles,
} from "../../lib/wire/message.ts";
import { loadVectors } from "../vectors/load.ts";
import { deviceId, first, messages } from "./samples.ts";
import { searchFor } from "../../lib/wire/search_query.ts";
import { type Audience, forEveryone } from "../../lib/core/audience.ts";

const vectors = loadVectors("messages.txt");
const none = new Uint8Array(0);
const cursor = new Uint8Array(limits.cursorBytesMax);
const largest = Number.MAX_SAFE_INTEGER;

Deno.test("every message encodes to its vector and decodes from it", () => {
  assertEquals([...vectors.keys()], Object.keys(messages));
  for (const [name, { transaction, message }] of Object.entries(messages)) {
    assertEquals(encodeMessage(transaction, message), vectors.get(name)!, name);
    assertEquals(decodeMessage(vectors.get(name)!), { ok: true, value: { transaction, message } }, name);
  }
});

Deno.test("encodeFiles() makes of files that are written once what encodeMessage() makes", () => {
  for (const { transaction, message } of Object.values(messages)) {
    if (message.kind !== "files") continue;
    const written = writeFiles(message.files);
    for (const number of [transaction, 1, 70_000]) {
      assertEquals(encodeFiles(number, written, message.cursor), encodeMessage(number, message));
    }
  }
  const tooMany = Array.from({ length: 40 }, () => file);
  assertThrows(() => encodeFiles(1, writeFiles(tooMany), none), RangeError);
});

Deno.test("every kind has a sample, and every request's answer is a kind", () => {
  const sampled = new Set(Object.values(messages).map(({ message }) => message.kind));
  assertEquals([...messageCodes.values()].filter((kind) => !sampled.has(kind)), []);
  for (const kind of Object.values(requestAnswers)) assert(sampled.has(kind));
});

Deno.test("decodeMessage() refuses every truncation, every trailing byte and every unknown code", () => {
  for (const [name, bytes] of vectors) {
    for (let size = 0; size < bytes.length; size++) {
      assertEquals(decodeMessage(bytes.subarray(0, size)).ok, false, `${name} cut to ${size}`);
    }
    for (const extra of [0x00, 0xf6, 0x80, 0xff]) {
      assertEquals(decodeMessage(concatBytes(bytes, new Uint8Array([extra]))).ok, false, `${name} and ${extra}`);
    }
  }
  for (
    const digits of [[0x82, 0, 1], [0x82, 22, 1], [0x82, 31, 1], [0x82, 0x18, 99, 1], [0x80], [0x81, 7], [7], [
      0x82,
      7,
      0xf6,
    ]]
  ) {
    assertEquals(decodeMessage(new Uint8Array(digits)).ok, false, digits.join());
  }
});

Deno.test("decodeMessage() never throws for one bit changed, and never reads it as the same message", () => {
  for (const [name, bytes] of vectors) {
    const sample = messages[name]!;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const decoded = decodeMessage(changed);
      if (!decoded.ok) continue;
      assertNotEquals(decoded.value, sample, `${name} bit ${bit}`);
      // What is read is legal: it encodes to what was read.
      const again = encodeMessage(decoded.value.transaction, decoded.value.message);
      assertEquals(again.length <= changed.length, true, `${name} bit ${bit}`);
    }
  }
});

Deno.test("decodeMessage() never throws, whatever the bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (junk) => void decodeMessage(junk)), {
    numRuns: 3_000,
    seed: 4,
  });
  const { fields } = fc.letrec<{ field: CborValue; fields: CborValue[] }>((tie) => ({
    field: fc.oneof(
      { maxDepth: 3 },
      fc.maxSafeNat(),
      fc.boolean(),
      fc.constantFrom(null, "", "text", "x".repeat(500)),
      fc.constantFrom(0, 7, 16, 32, 64, 200).map((size) => new Uint8Array(size)),
      tie("fields"),
    ),
    fields: fc.array(tie("field"), { maxLength: 14 }),
  }));
  fc.assert(
    fc.property(fc.constantFrom(...messageCodes.keys()), fields, (code, values) => {
      const decoded = decodeMessage(encodeCbor([code, 1, ...values]));
      if (decoded.ok) encodeMessage(1, decoded.value.message);
    }),
    { numRuns: 3_000, seed: 5 },
  );
});

const account = "a".repeat(limits.accountBytesMax);
const label = "l".repeat(limits.labelBytesMax);
const longName = "\u00e9".repeat(limits.nameBytesMax / 2);
const description = "\u00e9".repeat(limits.descriptionBytesMax / 2);
/** As many names as there may be, and as many bytes in them. */
const audience: Audience = Array.from({ length: limits.audienceMembersMax }, () => {
  return { kind: "group", name: "g".repeat(limits.audienceBytesMax / limits.audienceMembersMax) };
});
const file: FileEntry = {
  name: longName,
  id: first,
  bytes: limits.fileBytesMax,
  holders: largest,
  withdrawn: true,
  sharedAtMs: largest,
  description,
  audience: null,
};
const peer: PeerEntry = { account, label, online: true, changedAtMs: largest };
const holder: HolderEntry = {
  account,
  label,
  deviceId,
  accountKey: new Uint8Array(32),
  deviceSignature: new Uint8Array(64),
  certificate: new Uint8Array(limits.certificateBytesMax),
  endpoints: [{ ip: "1111:2222:3333:4444:5555:6666:111.112.113.114", port: 65_535 }],
  ticket: new Uint8Array(limits.ticketBytesMax),
  whole: true,
};
const day = { day: 0xffff_ffff, key: new Uint8Array(32) };
const key = { publicKey: new Uint8Array(32), sealed: new Uint8Array(128) };

Deno.test("the largest legal answer with one entry and a whole cursor fits a datagram, of every kind", () => {
  const shareDigest = new Uint8Array(32);
  const alive: MessageOf<"alive"> = {
    kind: "alive",
    keepAliveMs: 3_600_000,
    timeMs: largest,
    ticketKeys: [day, day, day],
    sharesMatch: true,
    observed: holder.endpoints[0]!,
    reachable: "no",
    coordinators: Array.from({ length: limits.coordinatorsMax }, () => holder.endpoints[0]!),
  };
  const certificate = holder.certificate;
  const loginKey = new Uint8Array(32);
  const all: readonly Message[] = [
    { kind: "auth", deviceId, label, proof: new Uint8Array(64), certificate, tcpPort: 65_535, shareDigest, loginKey },
    {
      ...alive,
      kind: "authenticated",
      account,
      label,
      resetToken: new Uint8Array(16),
      accountKey: key,
      enrolled: true,
      loginKey,
      role: "readOnly",
    },
    { kind: "enrol", accountKey: key, signature: new Uint8Array(64) },
    { kind: "enrolled", accountKey: key, enrolled: true },
    alive,
    { kind: "share", entries: [{ name: longName, id: first, bytes: limits.fileBytesMax, audience, description }] },
    { kind: "remove", names: [longName, longName], scope: "device" },
    { kind: "removed", count: largest },
    { kind: "listPeers", cursor },
    { kind: "peers", peers: [peer], cursor },
    { kind: "listFiles", scope: "account", cursor },
    { kind: "search", ...searchFor("substring", longName), cursor },
    { kind: "files", files: [file], cursor: new Uint8Array(24 + limits.nameBytesMax) },
    { kind: "files", files: [{ ...file, audience }], cursor: new Uint8Array(24) },
    { kind: "watch", watch: 0xffff_ffff, query: searchFor("substring", longName).query },
    { kind: "found", watch: 0xffff_ffff, files: [file], more: true },
    { kind: "audience", audience },
    { kind: "audienceIs", unknown: audience },
    { kind: "locate", content: { id: first, bytes: limits.fileBytesMax }, offer: true, cursor },
    { kind: "holders", holders: [holder], cursor: new Uint8Array(48) },
    { kind: "accountIs", account, publicKey: new Uint8Array(32) },
    { kind: "devices", cursor },
    { kind: "devicesAre", devices: [{ label, enrolledAtMs: largest, online: true, changedAtMs: largest }], cursor },
    { kind: "revokeDevice", label },
    { kind: "setTicket", deviceId, contents: Array(limits.setMax).fill({ id: first, bytes: limits.takenBytesMax }) },
    { kind: "setTicketIs", ticket: holder.ticket, covered: 2 ** limits.setMax - 1 },
    { kind: "report", deviceId, ticket: holder.ticket, reason: "stalled" },
    { kind: "register", account, request: new Uint8Array(32) },
    { kind: "registerRecord", account, record: new Uint8Array(192) },
    { kind: "provePassword", ke2: new Uint8Array(320), response: new Uint8Array(64), accountKey: key },
    {
      kind: "setPassword",
      ke3: new Uint8Array(64),
      record: new Uint8Array(192),
      accountKey: key,
      everywhere: true,
    },
    { kind: "error", code: 255, text: "e".repeat(limits.errorTextBytesMax), retryAfterMs: 3_600_000 },
    { kind: "revoke", contents: Array(16).fill({ id: first, bytes: limits.fileBytesMax }), devices: [] },
    { kind: "revoke", contents: [], devices: Array(16).fill(deviceId) },
  ];
  for (const message of all) {
    const payload = encodeMessage(largest, message);
    assertLessOrEqual(payload.length, sealedPayloadBytesMax, message.kind);
    assertEquals(decodeMessage(payload), { ok: true, value: { transaction: largest, message } });
  }
});

Deno.test("encodeMessage() throws a RangeError over each limit and for what does not fit", () => {
  const over: readonly Message[] = [
    { kind: "account", account: `${account}x` },
    { kind: "account", account: "" },
    { kind: "share", entries: [{ name: `${longName}x`, id: first, bytes: 1, ...forEveryone }] },
    { kind: "share", entries: [{ name: "", id: first, bytes: 1, ...forEveryone }] },
    { kind: "share", entries: [{ name: "a", id: first, bytes: limits.fileBytesMax + 1, ...forEveryone }] },
    { kind: "share", entries: Array(limits.entriesMax + 1).fill({ name: "a", id: first, bytes: 1, ...forEveryone }) },
    { kind: "remove", names: Array(limits.entriesMax + 1).fill("a"), scope: "account" },
    { kind: "listPeers", cursor: new Uint8Array(limits.cursorBytesMax + 1) },
    { kind: "search", ...searchFor("glob", ""), cursor: none },
    { kind: "error", code: 256, text: "", retryAfterMs: 0 },
    { kind: "error", code: 1, text: "x".repeat(limits.errorTextBytesMax + 1), retryAfterMs: 0 },
    { kind: "error", code: 1, text: "", retryAfterMs: 3_600_001 },
    { kind: "files", files: [file, file, file], cursor: none },
    { kind: "holders", holders: [holder, holder], cursor: none },
    { kind: "revoke", contents: Array(17).fill({ id: first, bytes: 1 }), devices: [] },
    { kind: "setTicket", deviceId, contents: Array(limits.setMax + 1).fill({ id: first, bytes: 1 }) },
    { kind: "setTicket", deviceId, contents: [] },
    { kind: "setTicket", deviceId, contents: [{ id: first, bytes: 0 }] },
    { kind: "setTicket", deviceId, contents: [{ id: first, bytes: limits.takenBytesMax + 1 }] },
    { kind: "setTicketIs", ticket: null, covered: 2 ** limits.setMax },
    { kind: "report", deviceId, ticket: new Uint8Array(limits.ticketBytesMax + 1), reason: "stalled" },
    { kind: "pathChallenge", token: new Uint8Array(7) },
    { kind: "status", tcpPort: 65_536, shareDigest: new Uint8Array(32) },
    { kind: "peers", peers: Array(65).fill({ ...peer, account: "a", label: "l" }), cursor: none },
  ];
  for (const message of over) assertThrows(() => encodeMessage(1, message), RangeError, undefined, message.kind);
  for (const transaction of [-1, 1.5, largest + 1, NaN]) {
    assertThrows(() => encodeMessage(transaction, { kind: "done" }), RangeError);
  }
});

Deno.test("decodeMessage() takes a later version's appended fields", () => {
  assertEquals(decodeMessage(new Uint8Array([0x84, 7, 5, 0xf5, 0x61, 0x61])), {
    ok: true,
    value: { transaction: 5, message: { kind: "leave" } },
  });
});

Deno.test("errorMessage() is always legal, however long or odd its reason", () => {
  for (
    const reason of [
      "",
      "x".repeat(500),
      "\u6f22".repeat(200),
      "x".repeat(65) + "\u{1F600}".repeat(50),
      "a\ufffdb",
      "\ud800",
    ]
  ) {
    const message = errorMessage("busy", reason, 5);
    const decoded = decodeMessage(encodeMessage(1, message));
    assert(decoded.ok, reason);
    assertEquals(decoded.value.message, message);
  }
  assertEquals(errorCodeFromWire(errorMessage("disabled", "").code), "disabled");
  assertEquals(errorCodeFromWire(250), "unknown");
  assertEquals(new Set(Object.values(errorCodes).map(({ wire }) => wire)).size, Object.keys(errorCodes).length);
});
