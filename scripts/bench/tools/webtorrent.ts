/** webtorrent: webtorrent-cli on Node, BitTorrent over TCP: SHA-1 of pieces, not encrypted.  (I/O) */

import { join } from "@std/path";
import { freePort, run, untilListening } from "../ground.ts";
import type { Tool } from "../tool.ts";
import { Swarm } from "./swarm.ts";

export const webtorrent: Tool = {
  name: "webtorrent-cli",
  kind: "peer to peer",
  needs: ["webtorrent"],
  loud: "it joins the DHT and has no switch for that",
  prepare: async ({ stage, source, fileName }, work) => {
    const port = freePort();
    const swarm = await Swarm.open(join(source, fileName), port, join(work, "file.torrent"));
    const env = { HOME: work };
    const words = (folder: string, torrentPort: number) => [
      ...["download", swarm.torrentPath, "-o", folder, "--torrent-port", String(torrentPort), "--quiet"],
    ];
    const sending = stage.run([...words(source, port), "--keep-seeding"], { executable: "webtorrent", env });
    await untilListening(sending, port);
    return {
      running: { sending: [sending.pid], receiving: [] },
      fetch: async (folder, watch) => {
        const started = (program: { readonly pid: number }) => watch("receiving", program);
        await run("webtorrent", words(folder, freePort()), { env, started });
      },
      stop: () => swarm[Symbol.asyncDispose](),
    };
  },
};
