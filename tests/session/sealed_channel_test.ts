import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concatBytes } from "../../lib/core/bytes.ts";
import { limits } from "../../lib/core/limits.ts";
import { SealedChannel } from "../../lib/session/sealed_channel.ts";
import { decodeEnvelope, type Envelope, sealedPayloadBytesMax } from "../../lib/wire/envelope.ts";
import { encodeMessage } from "../../lib/wire/message.ts";
import { loadVectors } from "../vectors/load.ts";
import { ke3, sequence, sessionId } from "../wire/samples.ts";

type Sealed = Envelope & { readonly kind: "sealed" | "finish" };

const vectors = loadVectors("session.txt");
const keys = { toCoordinator: vectors.get("key to coordinator")!, toPeer: vectors.get("key to peer")! };
const leave = encodeMessage(1, { kind: "leave" });

function pair() {
  return {
    peer: new SealedChannel(sessionId, keys, "peer"),
    coordinator: new SealedChannel(sessionId, keys, "coordinator"),
  };
}

function envelopeOf(datagram: Uint8Array): Sealed {
  const decoded = decodeEnvelope(datagram);
  assert(decoded.ok && (decoded.value.kind === "sealed" || decoded.value.kind === "finish"));
  return decoded.value;
}

Deno.test("SealedChannel seals to its vectors and opens them", () => {
  const { peer, coordinator } = pair();
  const finish = vectors.get("first FINISH of the peer")!;
  const sealed = vectors.get("then SEALED of the peer")!;
  const back = vectors.get("first SEALED of the coordinator")!;
  assertEquals(peer.sealFinish(ke3, leave), finish);
  assertEquals(peer.seal(leave), sealed);
  assertEquals(coordinator.seal(leave), back);
  assertEquals(coordinator.open(envelopeOf(finish)), { payload: leave, newest: true });
  assertEquals(coordinator.open(envelopeOf(sealed)), { payload: leave, newest: true });
  assertEquals(peer.open(envelopeOf(back)), { payload: leave, newest: true });
});

Deno.test("the AEAD underneath is the published one (RFC 8439 §2.8.2)", () => {
  const key = sequence(0x80, 32);
  const nonce = new Uint8Array([7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47]);
  const aad = new Uint8Array([0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7]);
  const text =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: text.length });
  const sealed = cipher.update(text, "utf8", "hex") + cipher.final("hex");
  assertEquals(
    sealed,
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29" +
      "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
  );
  assertEquals(cipher.getAuthTag().toString("hex"), "1ae10b594f09e26a7e902ecbd0600691");
});

Deno.test("SealedChannel's datagram is that AEAD with the packet number as nonce and the header as additional data", () => {
  const datagram = pair().peer.seal(leave);
  const nonce = concatBytes(new Uint8Array(4), datagram.subarray(10, 18));
  const opening = createDecipheriv("chacha20-poly1305", keys.toCoordinator, nonce, { authTagLength: 16 });
  opening.setAAD(datagram.subarray(0, 18), { plaintextLength: leave.length });
  opening.setAuthTag(datagram.subarray(-16));
  const payload = concatBytes(opening.update(datagram.subarray(18, -16)), opening.final());
  assertEquals(payload, leave);
});

Deno.test("SealedChannel opens a datagram once, in any order inside the window", () => {
  const { peer, coordinator } = pair();
  const sent = Array.from({ length: 5 }, (_, i) => envelopeOf(peer.seal(encodeMessage(i + 1, { kind: "done" }))));
  const opened = [4, 1, 3, 0, 2].map((i) => coordinator.open(sent[i]!)?.newest);
  assertEquals(opened, [true, false, false, false, false]);
  for (const envelope of sent) assertEquals(coordinator.open(envelope), undefined);
  const late = envelopeOf(peer.seal(leave));
  for (let i = 0; i < limits.replayWindow; i++) coordinator.open(envelopeOf(peer.seal(leave)));
  assertEquals(coordinator.open(late), undefined, "behind the window");
});

Deno.test("SealedChannel opens nothing that was changed, reflected, or of another session, and goes on afterwards", () => {
  const { peer, coordinator } = pair();
  const datagram = peer.seal(leave);
  for (let bit = 16; bit < datagram.length * 8; bit++) {
    const changed = datagram.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(coordinator.open(envelopeOf(changed)), undefined, `bit ${bit}`);
  }
  assertEquals(peer.open(envelopeOf(datagram)), undefined, "its own");
  assertEquals(peer.open(envelopeOf(vectors.get("first FINISH of the peer")!)), undefined);
  const other = new SealedChannel(sessionId, { ...keys, toCoordinator: new Uint8Array(32) }, "peer");
  assertEquals(coordinator.open(envelopeOf(other.seal(leave))), undefined);
  const finish = peer.sealFinish(ke3, leave);
  const asSealed = finish.slice();
  asSealed[1] = 7;
  assertEquals(coordinator.open(envelopeOf(asSealed)), undefined, "FINISH as SEALED");
  assert(coordinator.open(envelopeOf(datagram)), "a failure marked nothing");
  assert(coordinator.open(envelopeOf(finish)));
});

Deno.test("SealedChannel never uses a packet number twice, and refuses one over 2^53 without a look at the tag", () => {
  const { peer, coordinator } = pair();
  const numbers = new Set(Array.from({ length: 100 }, () => envelopeOf(peer.seal(leave)).packetNumber));
  assertEquals(numbers.size, 100);
  const beyond = { ...envelopeOf(peer.seal(leave)), packetNumber: 2n ** 53n };
  assertEquals(coordinator.open(beyond), undefined);
});

Deno.test("SealedChannel seals the largest payload into the largest datagram, and every payload differently", () => {
  const { peer, coordinator } = pair();
  const payload = new Uint8Array(sealedPayloadBytesMax).fill(5);
  const datagram = peer.seal(payload);
  assertEquals(datagram.length, limits.datagramBytesMax);
  assertEquals(coordinator.open(envelopeOf(datagram))?.payload, payload);
  assertNotEquals(peer.seal(payload).subarray(18), datagram.subarray(18));
});

Deno.test("SealedChannel's payload is its own copy, the datagram's buffer may be used again", () => {
  const { peer, coordinator } = pair();
  const datagram = peer.seal(leave);
  const opened = coordinator.open(envelopeOf(datagram))!;
  datagram.fill(0);
  assertEquals(opened.payload, leave);
});

Deno.test("SealedChannel goes on in another array: with its keys, its packet numbers and its window, and with nothing else", () => {
  const { peer, coordinator } = pair();
  const first = envelopeOf(peer.seal(leave));
  assert(coordinator.open(first));
  const bytes = new Uint8Array(SealedChannel.stateBytes + 40).fill(0xee);
  coordinator.moveTo(bytes);
  assertEquals(coordinator.open(first), undefined, "a replay");
  for (let i = 0; i < 3_000; i++) assert(coordinator.open(envelopeOf(peer.seal(leave))), `packet ${i + 1}`);
  assertEquals(peer.open(envelopeOf(coordinator.seal(leave)))?.payload, leave);
  assertEquals(bytes.subarray(SealedChannel.stateBytes), new Uint8Array(40).fill(0xee));
});
