import { assertEquals, assertNotEquals } from "@std/assert";
import { createCipheriv } from "node:crypto";
import { type Bytes, concatBytes, parseHex } from "../../lib/core/bytes.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { agree, deviceLoginKey, dhKeyFrom } from "../../lib/session/dh_key.ts";
import { initiate, receive } from "../../lib/session/noise_ik.ts";

interface Vector {
  readonly source: string;
  readonly prologue: string;
  readonly initiatorStatic: string;
  readonly initiatorEphemeral: string;
  readonly responderStatic: string;
  readonly responderStaticPublic: string;
  readonly responderEphemeral: string;
  readonly handshakeHash?: string;
  /** Payload and what it is on the wire: first two of the handshake, then in turn of initiator and responder. */
  readonly messages: readonly (readonly [payload: string, wire: string])[];
}

/** The published vectors of this pattern. */
const vectors: readonly Vector[] = [
  {
    source: "github.com/haskell-cryptography/cacophony, vectors/cacophony.txt, Noise_IK_25519_ChaChaPoly_SHA256",
    prologue: "4a6f686e2047616c74",
    initiatorStatic: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
    initiatorEphemeral: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
    responderStatic: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
    responderStaticPublic: "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
    responderEphemeral: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
    handshakeHash: "0b0f68fb0c27e03ce9b97565995ed4838cc0581b762ef72b062f6a546419fad7",
    messages: [
      [
        "4c756477696720766f6e204d69736573",
        "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944718da798efbcd91528520204f904b9bd6c7413dccdc214d9" +
        "51e15253e39987f18146e8cd0873654207148333479d4d16c289f0294b29960a72f48e0b7bba2e89083169825e59642148d492020664ccf7",
      ],
      [
        "4d757272617920526f746862617264",
        "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088435361e70b2ed446e6c9ec387d1d6b3b840f194e373979d241" +
        "b203c4acafccf5",
      ],
      ["462e20412e20486179656b", "050e9f3c8fac16b68dbce8f8c4bfbf6617c897f9ada4aa29aa19c8"],
      ["4361726c204d656e676572", "344233a6cabb7141d80f3da2fedc311d9646bbb0f505afe403a667"],
      ["4a65616e2d426170746973746520536179", "62cdeeb172ad7ade7aa7d9e069da5790f12331bfa00177787a1d0810c67dc3b2b4"],
      [
        "457567656e2042f6686d20766f6e2042617765726b",
        "029bead1b40992327044d409d9a1f3ad8f36c3c452775d557e18bbeb2e8dfcead32d514024",
      ],
    ],
  },
  {
    source: "github.com/mcginty/snow, tests/vectors/snow.txt, Noise_IK_25519_ChaChaPoly_SHA256",
    prologue:
      "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e6420626f72696e672e",
    initiatorStatic: "f49f93c5112c0787acc808d61716d7e090e076a58f15a3f78d92773f8dcb473b",
    initiatorEphemeral: "dae68498c41315cff7e4a34dded8d973199d8f0cf3fcb8b6651c169de77de8be",
    responderStatic: "b790546f98b1e933c48cd01f17e7b281469d46fcacc9a3b584ae65b1d6272e8e",
    responderStaticPublic: "2ea5942829bac414e25aa4cbb1bcc43394816ebb1bd12550d7d0eb4415e42951",
    responderEphemeral: "c0875a5b59c8492bd2135e5432d7d484f938e0a1f5009428c4bcb70b2f69f69f",
    messages: [
      [
        "95a8f51c435a9530ff1f30868ed7b23ec952eb513c26a0774fed82d2978a8c81",
        "6d21fec9141f3f37cc464e936a48b2d9521b5a44e0f3d960895d3c3fba30282f731f445c25e898e2534ac0536715b24308c108fc46bd260c" +
        "887b36c3f68e3a05654fc8295c068ed53fb2022560961224e0b10b0835e1efc82fc587cd50f7178fe3d9eb06e0351c6e7334162c10bed670" +
        "bfa2a105f7b2768a140b3fd597782601",
      ],
      [
        "b866b807a6d8b83182b884dbfedc861843c5082bd6e480cb54e4245a72083041",
        "e64e1fb8701c4f4bc3850b255fea657d4d835338b059c89acc99628fbe52473b41a4e79e3c1e6abc46bf80f078a005e15d8a3e04f989af3e" +
        "6cb99b52031165006163ac3e17b928af8c116009d7bf4fb2",
      ],
      [
        "e3a4937faef391028f759758b428b57652e0069a8dee64dfed01b60846938740",
        "2bebe19102169cdfe79cf41e38930bfd20a5b2fc78ccf33e853ddd939c0983174656eb27b61464a607762848892ca1c0",
      ],
      [
        "693972f27b0cb98aeac1fb54d782125431e7540e0cb2fa882cf51a8184d724fd",
        "c7c56da33b45d12f4754e17978bd49999c9c8f51d00db460f902aba2e6e245d0c46662f507915de8596f43b1d175f1db",
      ],
    ],
  },
];

const hex = (text: string): Bytes => parseHex(text)!;

/** A transport message as Noise has it (§5.1): ChaCha20-Poly1305 under a little-endian counter. */
function transport(key: Uint8Array, counter: number, payload: Uint8Array): Bytes {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
  const sealing = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  return concatBytes(sealing.update(payload), sealing.final(), sealing.getAuthTag());
}

for (const vector of vectors) {
  Deno.test(`the handshake is the published one: ${vector.source}`, () => {
    const [first, second, ...later] = vector.messages;
    const responder = dhKeyFrom(hex(vector.responderStatic));
    const initiator = dhKeyFrom(hex(vector.initiatorStatic));
    assertEquals(responder.publicKey, hex(vector.responderStaticPublic));
    const prologue = hex(vector.prologue);
    const ephemeral = dhKeyFrom(hex(vector.initiatorEphemeral));
    const keys = { own: initiator, ephemeral, remoteStatic: responder.publicKey };
    const begun = initiate(prologue, keys, hex(first![0]))!;
    assertEquals(begun.message, hex(first![1]));
    const received = receive(prologue, responder, begun.message)!;
    assertEquals(received.payload, hex(first![0]));
    assertEquals(received.remoteStatic, initiator.publicKey);
    const answered = received.answer(dhKeyFrom(hex(vector.responderEphemeral)), hex(second![0]))!;
    assertEquals(answered.message, hex(second![1]));
    const read = begun.read(answered.message)!;
    assertEquals(read.payload, hex(second![0]));
    assertEquals(read.established, answered.established);
    if (vector.handshakeHash !== undefined) assertEquals(read.established.hash, hex(vector.handshakeHash));
    for (const [i, [payload, wire]] of later.entries()) {
      const { toResponder, toInitiator } = read.established;
      assertEquals(transport(i % 2 === 0 ? toResponder : toInitiator, i >> 1, hex(payload)), hex(wire));
    }
  });
}

const responder = dhKeyFrom(new Uint8Array(32).fill(1));
const initiator = dhKeyFrom(new Uint8Array(32).fill(2));
const prologue = new Uint8Array([1, 2, 3]);
const told = new Uint8Array([9, 9, 9]);

function begin() {
  const ephemeral = dhKeyFrom(new Uint8Array(32).fill(3));
  return initiate(prologue, { own: initiator, ephemeral, remoteStatic: responder.publicKey }, told)!;
}

Deno.test("a first message with any bit flipped, cut short, under another prologue or to another key does not open", () => {
  const { message } = begin();
  for (let at = 0; at < message.length; at++) {
    const flipped = message.slice();
    flipped[at]! ^= 1 << (at % 8);
    assertEquals(receive(prologue, responder, flipped), undefined, `byte ${at}`);
  }
  for (let size = 0; size < message.length; size++) {
    assertEquals(receive(prologue, responder, message.subarray(0, size)), undefined);
  }
  assertEquals(receive(new Uint8Array([1, 2, 4]), responder, message), undefined);
  assertEquals(receive(prologue, initiator, message), undefined);
});

Deno.test("an answer that is forged does not open, and the genuine one still does", () => {
  const begun = begin();
  const received = receive(prologue, responder, begun.message)!;
  const { message, established } = received.answer(dhKeyFrom(new Uint8Array(32).fill(4)), told)!;
  for (let at = 0; at < message.length; at++) {
    const flipped = message.slice();
    flipped[at]! ^= 1 << (at % 8);
    assertEquals(begun.read(flipped), undefined, `byte ${at}`);
  }
  for (let size = 0; size < message.length; size++) assertEquals(begun.read(message.subarray(0, size)), undefined);
  // By somebody who saw the first message and has a key of his own.
  const impostor = receive(prologue, responder, begun.message)!;
  assertNotEquals(impostor.answer(dhKeyFrom(new Uint8Array(32).fill(5)), told)!.established, established);
  assertEquals(begun.read(message)?.established, established);
});

Deno.test("points of low order agree on nothing", () => {
  const zero = new Uint8Array(32);
  const one = new Uint8Array([1, ...new Uint8Array(31)]);
  for (const point of [zero, one]) {
    assertEquals(agree(initiator, point), undefined);
    const keys = { own: initiator, ephemeral: responder, remoteStatic: point };
    assertEquals(initiate(prologue, keys, told), undefined);
    const forged = begin().message;
    forged.set(point);
    assertEquals(receive(prologue, responder, forged), undefined);
  }
});

Deno.test("a device's login key is another one than its signing key, and follows from its seed alone", () => {
  const device = signingKeyFrom(new Uint8Array(32).fill(7));
  const key = deviceLoginKey(device);
  assertEquals(deviceLoginKey(signingKeyFrom(new Uint8Array(32).fill(7))).publicKey, key.publicKey);
  assertNotEquals(key.publicKey, device.publicKey);
  assertNotEquals(deviceLoginKey(signingKeyFrom(new Uint8Array(32).fill(8))).publicKey, key.publicKey);
  // As recorded: a change would lock every enrolled device out.
  assertEquals(key.publicKey, hex("312a5e861072b46444345848feb1e7ffa317c6b6b58788463221a8282cf2d551"));
});
