/** Two peers of different releases on one transfer connection. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../lib/core/bytes.ts";
import { errorCodes, ProtocolError, RemoteError, ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { proveTransfer } from "../../lib/session/proofs.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { encodeFrame, frameTypes } from "../../lib/wire/frame.ts";
import { reshapeFrame, withFewer, withMore } from "../wire/reshape.ts";
import { FakeTimers } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { identity, makeDeps, makeFile, makeHolder, makeTicket, MemoryLibrary, startDownload } from "./world.ts";

const file = makeFile(300_000);
const unknownType = new Uint8Array([0, 0, 0, 1, Math.max(...Object.values(frameTypes)) + 1, 0]);
const challenge = (version = protocolVersion) => encodeFrame({ kind: "challenge", version, nonce: new Uint8Array(32) });

/** A holder, and the fetching side of it by hand, which has read CHALLENGE and made its HELLO. */
async function meetHolder(): Promise<{ frames: FrameStream; far: ByteStream; hello: Bytes; ended: Promise<unknown> }> {
  const [near, far] = makePipe();
  const ended = serveConnection(near, makeDeps(new MemoryLibrary(file)), new AbortController().signal);
  const frames = new FrameStream(far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const met = await frames.readFrame();
  assert(met?.kind === "challenge");
  const ticket = makeTicket(file.content);
  const proof = proveTransfer(identity.deviceKey, makeHolder(ticket).certificateHash, met.nonce, ticket);
  return { frames, far, hello: encodeFrame({ ...identity, kind: "hello", ticket, proof }), ended };
}

Deno.test("a holder of another protocol is told apart before anything is shown to it, and who is to be updated is said", async () => {
  for (const [version, hint] of [[protocolVersion + 1, "Update this peer"], [255, "Update this peer"]] as const) {
    const [near, far] = makePipe();
    // A later release's CHALLENGE begins as ours does, and may go on.
    await near.write(reshapeFrame(challenge(version), withMore));
    const error = await assertRejects(() => startDownload(far, file.content).done, ShoalError);
    assertEquals([error.code, error.hint], ["version", hint]);
    assertEquals(
      error.message,
      `Cannot fetch from holder (nas): that peer speaks protocol ${version} and this peer speaks ${protocolVersion}`,
    );
    const seen = new Uint8Array(1024);
    for (let count = await near.read(seen); count !== null; count = await near.read(seen)) {
      for (let at = 0; at < count; at += 5) assertEquals(seen[at + 4], frameTypes.heartbeat, "no HELLO, no ticket");
    }
    near.close();
  }
});

Deno.test("HELLO and REQUEST with fields that are not known are served as if they had none; with too few they are refused", async () => {
  {
    const { frames, hello, ended } = await meetHolder();
    await frames.write(reshapeFrame(hello, withMore));
    assertEquals((await frames.readFrame())?.kind, "manifest");
    assertEquals((await frames.readFrame())?.kind, "have");
    await frames.write(reshapeFrame(encodeFrame({ kind: "request", ranges: [{ first: 0, count: 1 }] }), withMore));
    const data = await frames.readFrame();
    assert(data?.kind === "data");
    await frames.readData(new Uint8Array(data.bytes));
    frames.close();
    await ended;
  }
  const { frames, hello, ended } = await meetHolder();
  await frames.write(reshapeFrame(hello, withFewer));
  const refused = await frames.readFrame();
  assertEquals(refused?.kind === "refused" && refused.code, errorCodes.protocol.wire);
  frames.close();
  await ended;
});

Deno.test("CHALLENGE and REFUSED with fields that are not known are read as if they had none", async () => {
  const [near, far] = makePipe();
  await near.write(reshapeFrame(challenge(), withMore));
  const refused = { code: errorCodes.busy.wire, text: "full", retryAfterMs: 5 };
  await near.write(reshapeFrame(encodeFrame({ kind: "refused", ...refused }), withMore));
  const error = await assertRejects(() => startDownload(far, file.content).done, RemoteError);
  assertEquals([error.code, error.retryAfterMs], ["busy", 5]);
  near.close();
});

Deno.test("a frame of an unknown type ends the connection with `protocol`, whichever side sends it", async () => {
  for (const greet of [[], [challenge()]]) {
    const [near, far] = makePipe();
    for (const frame of [...greet, unknownType]) await near.write(frame);
    const error = await assertRejects(() => startDownload(far, file.content).done, ProtocolError, "unknown frame type");
    assertEquals(error.code, "protocol");
    near.close();
  }
  for (const greets of [false, true]) {
    const { frames, hello, ended } = await meetHolder();
    if (greets) {
      await frames.write(hello);
      assertEquals((await frames.readFrame())?.kind, "manifest");
      assertEquals((await frames.readFrame())?.kind, "have");
    }
    await frames.write(unknownType as Bytes);
    const refused = await frames.readFrame();
    assertEquals(refused?.kind === "refused" && refused.code, errorCodes.protocol.wire);
    frames.close();
    assert(await ended instanceof ProtocolError);
  }
});
