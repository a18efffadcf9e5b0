import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concatBytes } from "../../lib/core/bytes.ts";
import { errorCodes } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import {
  decodeEnvelope,
  deviceStartHeader,
  encodeCookie,
  encodeDeviceReply,
  encodeDeviceStart,
  encodeHello,
  encodeRefused,
  encodeReply,
  encodeReset,
  encodeStart,
  encodeVersions,
  type Envelope,
  finishHeader,
  sealedHeader,
  sealedPayloadBytesMax,
} from "../../lib/wire/envelope.ts";
import { loadVectors } from "../vectors/load.ts";
import { cookie, ke2, ke3, nonce, sequence, sessionId, startBody } from "./samples.ts";

const vectors = loadVectors("envelopes.txt");
const tail = new Uint8Array(30).fill(7);

/** Each vector: its bytes as we encode them, and the value that they decode to. */
const cases: Readonly<Record<string, { readonly encoded: Uint8Array; readonly value: Envelope }>> = {
  hello: { encoded: encodeHello(nonce), value: { kind: "hello", nonce } },
  cookie: { encoded: encodeCookie(nonce, cookie), value: { kind: "cookie", nonce, cookie } },
  "start of a known device": {
    encoded: encodeStart(nonce, cookie, startBody),
    value: { kind: "start", nonce, cookie, body: startBody },
  },
  "start of a stranger": {
    encoded: encodeStart(nonce, cookie, { ...startBody, device: null }),
    value: { kind: "start", nonce, cookie, body: { ...startBody, device: null } },
  },
  reply: { encoded: encodeReply(nonce, sessionId, ke2), value: { kind: "reply", nonce, sessionId, ke2 } },
  refused: {
    encoded: encodeRefused(nonce, errorCodes.tooManyTries.wire, 11_001),
    value: { kind: "refused", nonce, code: errorCodes.tooManyTries.wire, retryAfterMs: 12_000 },
  },
  reset: {
    encoded: encodeReset(sessionId, sequence(0xa0, 16)),
    value: { kind: "reset", sessionId, token: sequence(0xa0, 16) },
  },
  "device start": {
    encoded: encodeDeviceStart(deviceStartHeader(nonce, cookie), sequence(0x20, 200)),
    value: {
      kind: "deviceStart",
      nonce,
      cookie,
      header: deviceStartHeader(nonce, cookie),
      message: sequence(0x20, 200),
    },
  },
  "device reply": {
    encoded: encodeDeviceReply(nonce, sequence(0x30, 57)),
    value: { kind: "deviceReply", nonce, message: sequence(0x30, 57) },
  },
  versions: { encoded: encodeVersions(), value: { kind: "versions", versions: [protocolVersion] } },
};

Deno.test("every cleartext datagram encodes to its vector and decodes from it", () => {
  for (const [name, { encoded, value }] of Object.entries(cases)) {
    assertEquals(encoded, vectors.get(name)!, name);
    assertEquals(decodeEnvelope(vectors.get(name)!), { ok: true, value }, name);
  }
});

Deno.test("the authenticated headers encode to their vectors, and decode as the head of what follows", () => {
  const sealed = vectors.get("sealed header")!;
  const finish = vectors.get("finish header")!;
  assertEquals(sealedHeader(sessionId, 258n), sealed);
  assertEquals(finishHeader(sessionId, 258n, ke3), finish);
  const head = { sessionId, packetNumber: 258n, sealed: tail };
  assertEquals(decodeEnvelope(concatBytes(sealed, tail)), {
    ok: true,
    value: { kind: "sealed", ...head, header: sealed },
  });
  assertEquals(decodeEnvelope(concatBytes(finish, tail)), {
    ok: true,
    value: { kind: "finish", ...head, ke3, header: finish },
  });
});

Deno.test("every vector has a case", () => {
  assertEquals([...vectors.keys()].sort(), [...Object.keys(cases), "sealed header", "finish header"].sort());
});

Deno.test("decodeEnvelope() refuses every truncation and every longer form of kinds with a fixed size", () => {
  for (const [name, bytes] of vectors) {
    if (name.endsWith("header")) continue;
    for (let size = 0; size < bytes.length; size++) {
      assertEquals(decodeEnvelope(bytes.subarray(0, size)).ok, false, `${name} cut to ${size}`);
    }
    assertEquals(decodeEnvelope(concatBytes(bytes, new Uint8Array(1))).ok, false, `${name} with a trailing byte`);
  }
  for (const name of ["sealed header", "finish header"]) {
    const header = vectors.get(name)!;
    for (let size = 0; size <= header.length + 16; size++) {
      const cut = concatBytes(header, tail).subarray(0, size);
      assertEquals(decodeEnvelope(cut).ok, false, `${name} cut to ${size}: no room for a payload and its tag`);
    }
  }
});

Deno.test("decodeEnvelope() never reads one bit changed as the same value", () => {
  for (const [name, { value }] of Object.entries(cases)) {
    const bytes = vectors.get(name)!;
    // Padding carries nothing: HELLO's, and START's behind its body.
    const end = name === "hello" ? 18 : name.startsWith("start") ? 44 + (bytes[42]! << 8 | bytes[43]!) : bytes.length;
    for (let bit = 0; bit < end * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const decoded = decodeEnvelope(changed);
      if (decoded.ok) {
        assert(JSON.stringify(plain(decoded.value)) !== JSON.stringify(plain(value)), `${name} bit ${bit}`);
      }
    }
  }
});

function plain(value: Envelope): unknown {
  return Object.entries(value).map(([name, one]) => [name, typeof one === "bigint" ? `${one}` : one]);
}

Deno.test("decodeEnvelope() takes the largest datagram and nothing larger, and never throws", () => {
  const largest = concatBytes(sealedHeader(1n, 1n), new Uint8Array(sealedPayloadBytesMax + 16));
  assertEquals(largest.length, limits.datagramBytesMax);
  assert(decodeEnvelope(largest).ok);
  assertEquals(decodeEnvelope(concatBytes(largest, new Uint8Array(1))).ok, false);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1300, size: "max" }), fc.nat(11), (junk, kind) => {
      if (junk.length > 1) junk.set([protocolVersion, kind]);
      decodeEnvelope(junk);
    }),
    { numRuns: 2_000, seed: 3 },
  );
});

Deno.test("decodeEnvelope() tells other versions apart from a version list, whatever follows", () => {
  for (let version = 1; version < 256; version++) {
    if (version === protocolVersion) continue;
    assertEquals(decodeEnvelope(new Uint8Array([version, 99])), {
      ok: true,
      value: { kind: "unknownVersion", version },
    });
  }
  assertEquals(decodeEnvelope(new Uint8Array([0, 2, 1, 5])), {
    ok: true,
    value: { kind: "versions", versions: [1, 5] },
  });
  for (const bytes of [[0, 0], [0, 1], [0, 1, 1, 1], [0, 255, 1]]) {
    assertEquals(decodeEnvelope(new Uint8Array(bytes)).ok, false);
  }
});

Deno.test("START's body is bounded by its length, its datagram and the field limits", () => {
  const start = encodeStart(nonce, cookie, startBody);
  for (const length of [0, 203, 205, 1157, 65_535]) {
    const changed = start.slice();
    changed.set([length >> 8, length & 255], 42);
    assertEquals(decodeEnvelope(changed).ok, false, `${length}`);
  }
  const longest = "\u00e9".repeat(limits.accountBytesMax / 2);
  assert(decodeEnvelope(encodeStart(nonce, cookie, { ...startBody, account: longest })).ok);
  for (const account of ["", `${longest}a`]) {
    assertThrows(() => encodeStart(nonce, cookie, { ...startBody, account }), RangeError);
  }
  assertThrows(() => encodeStart(nonce, cookie, { ...startBody, ke1: new Uint8Array(95) }), RangeError);
});

Deno.test("answers before an address is proven are smaller than what they answer", () => {
  assertLess(encodeCookie(nonce, cookie).length, encodeHello(nonce).length);
  assertLess(encodeReply(nonce, sessionId, ke2).length, limits.datagramBytesMax);
  assertLess(encodeVersions().length, limits.datagramBytesMin);
  assertEquals(encodeReset(1n, new Uint8Array(16)).length, limits.datagramBytesMin);
});

Deno.test("encodeRefused() rounds up to seconds and stays in its two bytes", () => {
  for (const [retryAfterMs, told] of [[0, 0], [1, 1_000], [1_000, 1_000], [1e12, 65_535_000]] as const) {
    const decoded = decodeEnvelope(encodeRefused(nonce, 14, retryAfterMs));
    assert(decoded.ok && decoded.value.kind === "refused");
    assertEquals(decoded.value.retryAfterMs, told);
  }
});
