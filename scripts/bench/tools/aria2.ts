/** aria2: aria2c, BitTorrent over TCP: SHA-1 of pieces, not encrypted. Seconds of its time are timers, not data.  (I/O) */

import { join } from "@std/path";
import { freePort, run, untilListening } from "../ground.ts";
import type { Tool } from "../tool.ts";
import { Swarm } from "./swarm.ts";

const quiet = [
  ...[
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--enable-peer-exchange=false",
    "--bt-enable-lpd=false",
  ],
  ...["--disable-ipv6=true", "--interface=127.0.0.1", "--quiet=true"],
];

export const aria2: Tool = {
  name: "aria2c (BitTorrent)",
  kind: "peer to peer",
  needs: ["aria2c"],
  prepare: async ({ stage, source, fileName }, work) => {
    const port = freePort();
    const swarm = await Swarm.open(join(source, fileName), port, join(work, "file.torrent"));
    const env = { HOME: work };
    const sending = stage.run([
      ...[...quiet, `--dir=${source}`, `--listen-port=${port}`, "--seed-ratio=0.0", "--bt-seed-unverified=true"],
      swarm.torrentPath,
    ], { executable: "aria2c", env });
    await untilListening(sending, port);
    return {
      running: { sending: [sending.pid], receiving: [] },
      fetch: async (folder, watch) => {
        await run("aria2c", [
          ...[...quiet, `--dir=${folder}`, `--listen-port=${freePort()}`, "--seed-time=0", "--file-allocation=none"],
          swarm.torrentPath,
        ], { env, started: (program) => watch("receiving", program) });
      },
      stop: () => swarm[Symbol.asyncDispose](),
    };
  },
};
