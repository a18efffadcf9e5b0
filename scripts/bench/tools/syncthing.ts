/**
 * syncthing: two of them: SHA-256 of blocks, TLS 1.3. The sender has read its folder; the receiver is started with an empty one and
 * without a database, and timed until the file is there. Discovery, relays, port mapping, reports and upgrades are off, and so is fsync.
 * (I/O)
 */

import { join } from "@std/path";
import { Program } from "../../programs.ts";
import { freePort, isThere, run, until, untilListening } from "../ground.ts";
import type { Tool } from "../tool.ts";

/** STMONITORED: one process, not two of which one watches the other. */
const env = { STNOUPGRADE: "1", STMONITORED: "yes", STNODEFAULTFOLDER: "1" };

/** One end of the pair. */
interface End {
  readonly home: string;
  readonly id: string;
  readonly port: number;
  readonly guiPort: number;
}

export const syncthing: Tool = {
  name: "syncthing",
  kind: "peer to peer",
  needs: ["syncthing"],
  prepare: async ({ stage, source, fileName }, work) => {
    const [from, to] = [await makeEnd(join(work, "from")), await makeEnd(join(work, "to"))];
    await mark(source);
    await configure(from, to, source, "sendonly");
    const sending = stage.run(words(from), { executable: "syncthing", env: { ...env, HOME: work } });
    await untilListening(sending, from.guiPort);
    await until("syncthing has read its folder", () => isIdle(from));
    let receiver: Program | undefined;
    return {
      running: { sending: [sending.pid], receiving: [] },
      before: async (folder) => {
        await mark(folder);
        await configure(to, from, folder, "receiveonly");
      },
      fetch: async (folder, watch) => {
        receiver = new Program(words(to), { executable: "syncthing", env: { ...env, HOME: work } });
        watch("receiving", receiver);
        await until("syncthing has the file", () => isThere(join(folder, fileName)));
      },
      after: async () => {
        receiver?.signal("SIGTERM");
        await receiver?.end();
        await Deno.remove(join(to.home, "index-v0.14.0.db"), { recursive: true });
      },
      stop: async () => {
        await receiver?.kill();
        await Deno.remove(join(source, ".stfolder"), { recursive: true });
      },
    };
  },
};

function words({ home }: End): string[] {
  return ["serve", "--home", home, "--no-browser", "--no-restart"];
}

async function makeEnd(home: string): Promise<End> {
  await run("syncthing", ["generate", "--home", home], { env: { ...env, HOME: home } });
  const id = (await run("syncthing", ["serve", "--home", home, "--device-id"], { env: { HOME: home } })).trim();
  return { home, id, port: freePort(), guiPort: freePort() };
}

/** A folder without its mark counts as one whose disk is gone. */
async function mark(folder: string): Promise<void> {
  await Deno.mkdir(join(folder, ".stfolder"), { recursive: true });
}

async function isIdle({ guiPort }: End): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${guiPort}/rest/db/status?folder=bench`, {
    headers: { "X-API-Key": "bench" },
  });
  const { state, localBytes } = await response.json() as { state?: string; localBytes?: number };
  return state === "idle" && localBytes! > 0;
}

async function configure(self: End, other: End, folder: string, type: string): Promise<void> {
  const device = ({ id, port }: End) =>
    `<device id="${id}" name="${
      id.slice(0, 7)
    }" compression="metadata"><address>tcp://127.0.0.1:${port}</address></device>`;
  const off = [
    "globalAnnounceEnabled",
    "localAnnounceEnabled",
    "relaysEnabled",
    "natEnabled",
    "crashReportingEnabled",
    "startBrowser",
  ]
    .map((name) => `<${name}>false</${name}>`).join("");
  await Deno.writeTextFile(
    join(self.home, "config.xml"),
    `<configuration version="35">
<folder id="bench" path="${folder}" type="${type}" rescanIntervalS="0" fsWatcherEnabled="false">
<device id="${self.id}"></device><device id="${other.id}"></device><disableFsync>true</disableFsync></folder>
${device(self)}${device(other)}
<gui enabled="true" tls="false"><address>127.0.0.1:${self.guiPort}</address><apikey>bench</apikey></gui>
<options><listenAddress>tcp://127.0.0.1:${self.port}</listenAddress>${off}<reconnectionIntervalS>1</reconnectionIntervalS>
<urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH></options>
</configuration>`,
  );
}
