import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { limits } from "../../lib/core/limits.ts";
import {
  dataHeaderBytes,
  decodeFrame,
  decodeFrameHeader,
  decodeZdataHeader,
  encodeFrame,
  type Frame,
  frameBytesLimit,
  frameHeaderBytes,
  frameTypes,
  readDataOffset,
  writeDataHeader,
  writeZdataHeader,
  zdataHeaderBytes,
} from "../../lib/wire/frame.ts";
import { loadVectors } from "../vectors/load.ts";
import { accountKey, deviceId, first, frames, sequence } from "./samples.ts";

const vectors = loadVectors("frames.txt");
const hello: Frame = {
  kind: "hello",
  ticket: loadVectors("session.txt").get("ticket")!,
  deviceId,
  accountKey: accountKey.publicKey,
  deviceSignature: sequence(0, 64),
  proof: sequence(0, 64),
};
const cases: Readonly<Record<string, Frame>> = { ...frames, hello };

Deno.test("every frame encodes to its vector and decodes from it", () => {
  assertEquals([...vectors.keys()].sort(), [...Object.keys(cases), "data header", "zdata"].sort());
  for (const [name, frame] of Object.entries(cases)) {
    const bytes = vectors.get(name)!;
    assertEquals(encodeFrame(frame), bytes, name);
    const header = decodeFrameHeader(bytes);
    assert(header.ok, name);
    assertEquals(header.value, { type: frameTypes[frame.kind], length: bytes.length - frameHeaderBytes });
    assertEquals(decodeFrame(header.value.type, bytes.subarray(frameHeaderBytes)), { ok: true, value: frame }, name);
  }
});

Deno.test("a DATA header is written as its vector and read from it", () => {
  const bytes = vectors.get("data header")!;
  const written = new Uint8Array(dataHeaderBytes);
  writeDataHeader(written, 16_384, 100);
  assertEquals(written, bytes);
  assertEquals(decodeFrameHeader(bytes), { ok: true, value: { type: frameTypes.data, length: 108 } });
  assertEquals(readDataOffset(bytes.subarray(frameHeaderBytes)), 16_384);
  assertEquals(readDataOffset(new Uint8Array(8).fill(255)), -1);
});

Deno.test("a ZDATA header is written as its vector and read from it, and held to its limits", () => {
  const bytes = vectors.get("zdata")!;
  const head = bytes.subarray(frameHeaderBytes, zdataHeaderBytes);
  const written = new Uint8Array(zdataHeaderBytes);
  writeZdataHeader(written, 16_384, 100, bytes.length - zdataHeaderBytes);
  assertEquals(written, bytes.slice(0, zdataHeaderBytes));
  assertEquals(decodeFrameHeader(bytes), { ok: true, value: { type: frameTypes.zdata, length: 29 } });
  assertEquals(decodeZdataHeader(head, 17), { ok: true, value: { offset: 16_384, bytes: 100 } });
  assertEquals(decodeZdataHeader(head, 99).ok, true);
  assertEquals(decodeZdataHeader(head, 100).ok, false, "no shorter than its content");
  for (
    const [size, isLegal] of [[limits.frameBytesMax, true], [limits.frameBytesMax + 1, false], [
      2 ** 32 - 1,
      false,
    ]] as const
  ) {
    writeZdataHeader(written, 0, size, 17);
    assertEquals(decodeZdataHeader(written.subarray(frameHeaderBytes), 17).ok, isLegal, String(size));
  }
  writeZdataHeader(written, 0, 100, 0);
  assertEquals(decodeFrameHeader(written).ok, false, "without data");
});

Deno.test("decodeFrameHeader() takes each type up to its limit and refuses it above, and unknown types", () => {
  const header = (type: number, length: number) => {
    const bytes = new Uint8Array(frameHeaderBytes);
    new DataView(bytes.buffer).setUint32(0, length);
    bytes[4] = type;
    return decodeFrameHeader(bytes).ok;
  };
  for (const type of Object.values(frameTypes)) {
    assertEquals(header(type, frameBytesLimit(type)), true);
    assertEquals(header(type, frameBytesLimit(type) + 1), false);
    assertEquals(header(type, 0xffff_ffff), false);
  }
  for (const type of [0, 16, 255]) assertEquals(header(type, 0), false);
  assertEquals(header(frameTypes.data, 8), false, "without data");
  assertEquals(decodeFrame(frameTypes.take, new Uint8Array(0)).ok, false, "of nothing");
  for (let size = 0; size < frameHeaderBytes; size++) assertEquals(decodeFrameHeader(new Uint8Array(size)).ok, false);
});

Deno.test("decodeFrame() refuses every truncation and trailing byte of the frames in CBOR, and never throws", () => {
  for (const [name, bytes] of vectors) {
    if (["manifest", "data header", "zdata", "have all", "have", "take", "leaf hashes"].includes(name)) continue;
    const payload = bytes.subarray(frameHeaderBytes);
    for (let size = 0; size < payload.length; size++) {
      assertEquals(decodeFrame(bytes[4]!, payload.subarray(0, size)).ok, false, `${name} cut to ${size}`);
    }
    assertEquals(decodeFrame(bytes[4]!, new Uint8Array([...payload, 0])).ok, false, name);
  }
  fc.assert(fc.property(fc.nat(15), fc.uint8Array({ maxLength: 200 }), (type, junk) => void decodeFrame(type, junk)), {
    numRuns: 2_000,
    seed: 6,
  });
});

Deno.test("REQUEST holds its ranges to their limits", () => {
  const request = (ranges: readonly { first: number; count: number }[]) => encodeFrame({ kind: "request", ranges });
  const blocks = limits.fileBytesMax / limits.blockBytes;
  const one = { first: blocks, count: blocks };
  assert(decodeFrame(frameTypes.request, request(Array(limits.rangesMax).fill(one)).subarray(5)).ok);
  for (const range of [{ first: 0, count: 0 }, { first: -1, count: 1 }, { first: blocks + 1, count: 1 }]) {
    assertThrows(() => request([range]), RangeError);
  }
  assertThrows(() => request(Array(limits.rangesMax + 1).fill(one)), RangeError);
});

Deno.test("SET and TAKE hold what they name to the limits, while the bytes that they came in are used anew", () => {
  const contents = Array(limits.setMax).fill({ id: first, bytes: limits.takenBytesMax });
  const set = { kind: "set", ticket: sequence(0, limits.ticketBytesMax), contents } as const;
  const payload = encodeFrame(set).subarray(5);
  const decoded = decodeFrame(frameTypes.set, payload);
  payload.fill(0);
  assertEquals(decoded, { ok: true, value: set });
  assertThrows(() => encodeFrame({ ...set, contents: [...contents, contents[0]] }), RangeError);
  const places = Array.from({ length: limits.setMax }, (_, place) => place);
  assertEquals(decodeFrame(frameTypes.take, encodeFrame({ kind: "take", places }).subarray(5)), {
    ok: true,
    value: { kind: "take", places },
  });
  assertThrows(() => encodeFrame({ kind: "take", places: [...places, 0] }), RangeError);
  assertEquals(decodeFrame(frameTypes.take, new Uint8Array(0)).ok, false);
  assertThrows(() => encodeFrame({ kind: "missing", code: 256 }), RangeError);
});
