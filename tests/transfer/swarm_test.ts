/** Fetchers of one holder with little uplink give each other what they got, so that it sends hardly anything twice. */

import { assert, assertEquals } from "@std/assert";
import { type DeviceId, deviceIdFrom } from "../../lib/core/ids.ts";
import { kib } from "../../lib/core/limits.ts";
import { PartFile } from "../../lib/content/part_file.ts";
import type { SafePath } from "../../lib/content/safe_path.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { fetchContent } from "../../lib/transfer/fetch.ts";
import { type Connect, laneHere } from "../../lib/transfer/lane.ts";
import { OpenParts } from "../../lib/transfer/open_parts.ts";
import { RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import { type RunningUpload, serveConnection, type UploadDeps } from "../../lib/transfer/upload.ts";
import type { VerifiedHolder } from "../../lib/transfer/verified_holder.ts";
import { FakeTimers } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { identityOf, makeDeps, makeFile, makeHolder, makeTicket, MemoryLibrary } from "./world.ts";

const fetcherCount = 6;
const file = makeFile(120 * 256 * kib);
const seedPort = 2000;

/** A holder of all, limited, and fetchers that hold what they have, on one clock. */
class Swarm implements AsyncDisposable {
  readonly timers = new FakeTimers();
  /** Those that the seed sends to, or has. */
  readonly uploads: RunningUpload[] = [];
  readonly folder = Deno.makeTempDirSync();
  /** By port. */
  readonly #serving = new Map<number, UploadDeps>();
  readonly #ended: Promise<unknown>[] = [];
  /** Ports of those who offer what they have. */
  readonly #offering = new Set<number>();

  constructor(seedBytesPerSecond: number) {
    const limiter = new RateLimiter(this.timers, seedBytesPerSecond);
    this.#serving.set(
      seedPort,
      makeDeps(new MemoryLibrary(file), {
        timers: this.timers,
        openFlow: (account) => limiter.open(account),
        register: (upload) => {
          this.uploads.push(upload);
          return { [Symbol.dispose]: () => {} };
        },
      }),
    );
  }

  /** Fetches as device `number`, and serves what it has meanwhile. */
  async fetch(number: number): Promise<void> {
    const port = seedPort + number;
    const device = signingKeyFrom(new Uint8Array(32).fill(number));
    const identity = identityOf(device, signingKeyFrom(new Uint8Array(32).fill(100 + number)), `peer${number}`);
    const parts = new OpenParts();
    const openContent: UploadDeps["openContent"] = (content) => parts.open(content);
    this.#serving.set(port, makeDeps(new MemoryLibrary(), { timers: this.timers, openContent }));
    const ticket = makeTicket(file.content, { account: `peer${number}`, deviceId: identity.deviceId });
    using opened = new DisposableStack();
    await fetchContent({
      name: "a file",
      content: file.content,
      locate: (_, offer) => {
        if (offer) this.#offering.add(port);
        const others = [...this.#offering].filter((one) => one !== port);
        return Promise.resolve({ holders: [seedPort, ...others].map((one) => holderAt(one, ticket)), refused: [] });
      },
      openPart: async (manifest, signal) => {
        const folder = `${this.folder}/${number}`;
        await Deno.mkdir(folder);
        const journalFolder = `${folder}/journals`;
        const name = "got" as SafePath;
        const opening = await PartFile.open({ manifest, folder, name, onExists: "refuse", journalFolder, signal });
        if (opening.kind === "part") opened.use(parts.add(opening.part));
        return opening;
      },
      sync: false,
      identity,
      lane: laneHere(this.#connect),
      timers: this.timers,
      random: (size) => crypto.getRandomValues(new Uint8Array(size)),
      timeoutMs: 60_000,
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    this.#offering.delete(port);
    assertEquals(await Deno.readFile(`${this.folder}/${number}/got`), file.bytes);
  }

  readonly #connect: Connect = ({ endpoint: { port } }) => {
    const [near, far] = makePipe();
    this.#ended.push(serveConnection(near, this.#serving.get(port)!, new AbortController().signal));
    return Promise.resolve(far);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ended);
    await Deno.remove(this.folder, { recursive: true });
  }
}

function holderAt(port: number, ticket: Uint8Array<ArrayBuffer>): VerifiedHolder {
  const deviceId: DeviceId = deviceIdFrom(new Uint8Array(32).fill(port - seedPort));
  return makeHolder(ticket, {
    deviceId,
    account: `peer${port - seedPort}`,
    endpoints: [{ ip: "127.0.0.1", port }],
    whole: port === seedPort,
  });
}

Deno.test("a holder with little uplink sends each piece about once, however many fetch it", async () => {
  await using swarm = new Swarm(10e6);
  const fetching = Promise.all(Array.from({ length: fetcherCount }, (_, i) => swarm.fetch(i + 1)));
  let isDone = false;
  fetching.finally(() => isDone = true).catch(() => {});
  while (!isDone) await swarm.timers.advance(50);
  await fetching;
  const sentBytes = swarm.uploads.reduce((sum, upload) => sum + upload.sentBytes, 0);
  assert(sentBytes < 1.2 * file.bytes.length, `it sent ${(sentBytes / file.bytes.length).toFixed(2)} times the file`);
});
