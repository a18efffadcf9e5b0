/**
 * crowd_peers: many peers in one process, each with a home, a login and sockets of its own, that fetch what they are told at the same
 * moment: so the crowd's holder is measured, and not how long a hundred runtimes take to run on a few cores. Started by crowd.ts.
 *
 *     deno run -P=peer scripts/bench/crowd_peers.ts COORDINATOR_PORT FOLDER FIRST COUNT
 *
 * The peers are those of the accounts peerFIRST and so on, whose password is the name; `ready` is printed once all are logged in. Each
 * line on standard input, `FOLDER PATTERN`, is fetched by all into folders of their own; what comes of it is one JSON line a file. (I/O)
 */

import { join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { NetworkError } from "../../lib/core/errors.ts";
import { homeFolders } from "../../lib/peer/home_folders.ts";
import { KnownCoordinators } from "../../lib/peer/known_coordinators.ts";
import { unlimited } from "../../lib/peer/bandwidth.ts";
import { Peer } from "../../lib/peer/peer.ts";
import { takeHome } from "../../lib/peer/take_home.ts";

/** How long a fetch waits without a byte, in milliseconds: what the program waits unless told. */
const timeoutMs = 60_000;

const [port, folder, first, count] = [Number(Deno.args[0]), Deno.args[1]!, Number(Deno.args[2]), Number(Deno.args[3])];

const peers: Peer[] = [];
for (let i = first; i < first + count; i++) peers.push(await start(`peer${i}`));
console.log(JSON.stringify({ type: "ready", v: 1, program: "crowd" }));

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
for await (const line of lines) {
  const [to = "", pattern = ""] = line.split(" ");
  await Promise.all(peers.map((peer, i) => fetchAll(peer, join(to, String(first + i)), pattern)));
}
for (const peer of peers) await peer[Symbol.asyncDispose]();
Deno.exit(0);

async function start(account: string): Promise<Peer> {
  const coordinator = { ip: "127.0.0.1", port };
  const folders = homeFolders(join(folder, `home-${account}`), () => undefined);
  const home = await takeHome({ folders, coordinator: `127.0.0.1:${port}`, account });
  if ("run" in home) throw new Error(`${account}'s home has an owner`);
  const who = { account, password: account, label: "crowd", coordinators: KnownCoordinators.open(folders.state) };
  for (;;) {
    try {
      return await Peer.start({ home, coordinator, ...who, stays: true, bandwidth: unlimited });
    } catch (error) {
      // While the coordinator makes the accounts a login may wait for too long; how long that takes is not measured here.
      if (!(error instanceof NetworkError)) throw error;
    }
  }
}

async function fetchAll(peer: Peer, to: string, pattern: string): Promise<void> {
  const fetch = { command: "fetch", onExists: "refuse", sync: false, timeoutMs } as const;
  const events = peer.run({ ...fetch, targets: [{ pattern }], folder: to }, AbortSignal.timeout(10 * timeoutMs));
  for await (const event of events) {
    if (event.type === "fetched" || event.type === "error") console.log(JSON.stringify(event));
  }
}
