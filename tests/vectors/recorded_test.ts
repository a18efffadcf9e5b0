/**
 * What was recorded opens with the keys that were recorded beside it, and is made again byte for byte; and no recorded byte changes
 * under its protocol version.
 */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { formatBase64Url } from "../../lib/core/base64.ts";
import { formatHex } from "../../lib/core/bytes.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { certificateKey, makeCertificate } from "../../lib/net/certificate.ts";
import { openAccountKey, sealAccountKey } from "../../lib/session/account_key.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { acceptLogin, answerLogin, finishLogin, loadOpaque, startLogin } from "../../lib/session/opaque.ts";
import { deriveSessionKeys, transcriptHash } from "../../lib/session/handshake_keys.ts";
import { SealedChannel } from "../../lib/session/sealed_channel.ts";
import { openTicket, sealTicket, ticketKeyFor } from "../../lib/session/ticket.ts";
import { decodeEnvelope } from "../../lib/wire/envelope.ts";
import { decodeMessage, encodeMessage } from "../../lib/wire/message.ts";
import { decodeTicket } from "../../lib/wire/ticket.ts";
import { loadVectors, recordedLines } from "./load.ts";

const envelopes = loadVectors("envelopes.txt");
const session = loadVectors("session.txt");
const opaque = loadVectors("opaque.txt");
const vectorFiles = ["envelopes.txt", "frames.txt", "messages.txt", "opaque.txt", "session.txt"];

/** A vector that has to be there. */
function of(vectors: ReadonlyMap<string, Uint8Array<ArrayBuffer>>, name: string): Uint8Array<ArrayBuffer> {
  const bytes = vectors.get(name);
  assert(bytes !== undefined, `no vector ${name}`);
  return bytes;
}

const device = signingKeyFrom(of(session, "device seed"));
const account = signingKeyFrom(of(session, "account seed"));

Deno.test("the recorded session opens with the keys that are recorded with it, and seals to the same bytes", () => {
  const ke3 = of(session, "KE3");
  const transcript = transcriptHash(of(envelopes, "start of a known device"), of(envelopes, "reply"), ke3);
  assertEquals(transcript, of(session, "transcript"));
  const keys = deriveSessionKeys(of(session, "OPAQUE session key"), transcript);
  assertEquals(keys, { toCoordinator: of(session, "key to coordinator"), toPeer: of(session, "key to peer") });
  const sessionId = new DataView(of(envelopes, "reply").buffer).getBigUint64(18);
  const [peer, coordinator] = (["peer", "coordinator"] as const).map((side) =>
    new SealedChannel(sessionId, keys, side)
  );
  for (
    const { name, from, to } of [
      { name: "first FINISH of the peer", from: peer!, to: coordinator! },
      { name: "then SEALED of the peer", from: peer!, to: coordinator! },
      { name: "first SEALED of the coordinator", from: coordinator!, to: peer! },
    ]
  ) {
    const envelope = decodeEnvelope(of(session, name));
    assert(envelope.ok && (envelope.value.kind === "finish" || envelope.value.kind === "sealed"), name);
    const opened = to.open(envelope.value);
    assert(opened !== undefined, name);
    const message = decodeMessage(opened.payload);
    assertEquals(message, { ok: true, value: { transaction: 1, message: { kind: "leave" } } }, name);
    const payload = encodeMessage(1, { kind: "leave" });
    const again = envelope.value.kind === "finish" ? from.sealFinish(ke3, payload) : from.seal(payload);
    assertEquals(again, of(session, name), name);
  }
});

Deno.test("the recorded ticket opens with the root that is recorded with it, and is sealed to the same bytes", () => {
  const ticket = of(session, "ticket");
  const day = new DataView(ticket.buffer).getUint32(0);
  const key = ticketKeyFor(of(session, "ticket root"), day, deviceIdFrom(device.publicKey));
  const opened = openTicket([{ day, key }], ticket);
  assertEquals(opened, decodeTicket(of(session, "ticket body")));
  assert(opened.ok);
  assertEquals(sealTicket(key, day, ticket.slice(4, 16), opened.value), ticket);
});

Deno.test("the recorded account key opens with the export key that is recorded with it, and is sealed to the same bytes", () => {
  const exportKey = of(session, "OPAQUE export key");
  const sealed = of(session, "sealed account key");
  const publicKey = of(session, "account public key");
  assertEquals(openAccountKey(exportKey, "ada", { publicKey, sealed })?.seed, account.seed);
  assertEquals(sealAccountKey(exportKey, "ada", account, () => sealed.slice(0, 12)), sealed);
});

Deno.test("the recorded device has the recorded certificate", async () => {
  assertEquals(await makeCertificate(device), of(session, "certificate"));
  assertEquals(certificateKey(of(session, "certificate")), of(session, "device public key"));
});

Deno.test("the recorded login by OPAQUE ends in the recorded keys on both sides, and its account still logs in", async () => {
  await loadOpaque();
  const text = (name: string) => new TextDecoder().decode(of(opaque, name));
  const form = (name: string) => formatBase64Url(of(opaque, name));
  const finished = finishLogin(text("password"), form("state of the peer"), of(opaque, "KE2"));
  assertEquals(finished, {
    ke3: of(opaque, "KE3"),
    sessionKey: of(opaque, "session key"),
    exportKey: of(opaque, "export key"),
    coordinatorKey: of(opaque, "key of the coordinator"),
  });
  assertEquals(acceptLogin(form("state of the coordinator"), of(opaque, "KE3")), of(opaque, "session key"));

  const { ke1, state } = startLogin(text("password"));
  const answered = answerLogin(form("setup"), text("account"), form("record"), ke1);
  assert(answered !== undefined);
  const again = finishLogin(text("password"), state, answered.ke2);
  assertEquals(again?.exportKey, of(opaque, "export key"));
  assertEquals(again?.coordinatorKey, of(opaque, "key of the coordinator"));
});

Deno.test("no vector changes under its protocol version: a change of the wire raises the version", () => {
  const recorded = recordedLines("recorded.txt");
  const present = vectorFiles.flatMap((file) =>
    [...loadVectors(file)].map(([name, bytes]) => {
      const digest = formatHex(createHash("sha256").update(bytes).digest()).slice(0, 16);
      return `${file} ${digest} ${name}`;
    })
  );
  const rule =
    "a change of the wire raises protocolVersion in lib/core/version.ts and records everything anew (CONTRIBUTING.md)";
  assertEquals(recorded.filter((line) => !present.includes(line)), [], `vectors that were changed or removed: ${rule}`);
  assertEquals(present.filter((line) => !recorded.includes(line)), [], "lines to add to tests/vectors/recorded.txt");
});

Deno.test("every file of vectors says which protocol was recorded", () => {
  const files = [...Deno.readDirSync(new URL(".", import.meta.url))].map(({ name }) => name);
  const known = [...vectorFiles, "recorded.txt"];
  assertEquals(files.filter((name) => name.endsWith(".txt")).sort(), known.sort());
  for (const file of known) recordedLines(file);
});
