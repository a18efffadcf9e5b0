/** qbittorrent: two qbittorrent-nox, BitTorrent over TCP: SHA-1 of pieces, not encrypted. Both are told what to do by HTTP.  (I/O) */

import { join } from "@std/path";
import { freePort, until, untilListening } from "../ground.ts";
import type { Ground, Tool } from "../tool.ts";
import { Swarm } from "./swarm.ts";

export const qbittorrent: Tool = {
  name: "qbittorrent-nox",
  kind: "peer to peer",
  needs: ["qbittorrent-nox"],
  prepare: async (ground, work) => {
    const { source, fileName } = ground;
    const sending = await Client.start(ground, join(work, "sending"));
    const receiving = await Client.start(ground, join(work, "receiving"));
    const swarm = await Swarm.open(join(source, fileName), sending.peerPort, join(work, "file.torrent"));
    await sending.add(swarm.torrentPath, source, { skip_checking: "true" });
    await until("qbittorrent-nox seeds", () => sending.isWhole());
    return {
      running: { sending: [sending.pid], receiving: [receiving.pid] },
      fetch: async (folder) => {
        await receiving.add(swarm.torrentPath, folder);
        await until("qbittorrent-nox has the file", () => receiving.isWhole());
      },
      after: () => receiving.forget(),
      stop: () => swarm[Symbol.asyncDispose](),
    };
  },
};

/** One qbittorrent-nox. */
class Client {
  readonly peerPort: number;
  readonly pid: number;
  readonly #api: string;

  private constructor(peerPort: number, webPort: number, pid: number) {
    this.peerPort = peerPort;
    this.pid = pid;
    this.#api = `http://127.0.0.1:${webPort}/api/v2/torrents`;
  }

  static async start({ stage }: Ground, profile: string): Promise<Client> {
    const [peerPort, webPort] = [freePort(), freePort()];
    const folder = join(profile, "qBittorrent", "config");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(
      join(folder, "qBittorrent.conf"),
      `[LegalNotice]
Accepted=true
[BitTorrent]
Session\\Port=${peerPort}
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\BTProtocol=TCP
Session\\Interface=lo
Session\\InterfaceName=lo
[Network]
PortForwardingEnabled=false
[Preferences]
Connection\\ResolvePeerCountries=false
Connection\\UPnP=false
WebUI\\Address=127.0.0.1
WebUI\\Port=${webPort}
WebUI\\LocalHostAuth=false
WebUI\\UPnP=false
`,
    );
    const program = stage.run([`--profile=${profile}`], { executable: "qbittorrent-nox", env: { HOME: profile } });
    await untilListening(program, webPort);
    await untilListening(program, peerPort);
    return new Client(peerPort, webPort, program.pid);
  }

  async add(torrentPath: string, folder: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
    const form = new FormData();
    form.set("torrents", new Blob([await Deno.readFile(torrentPath)]), "file.torrent");
    // It takes the end of the form for a part of the last value.
    for (const [name, value] of Object.entries({ savepath: folder, ...more, last: "" })) form.set(name, value);
    await this.#post("add", form);
  }

  /** Whether its one torrent is complete and checked. */
  async isWhole(): Promise<boolean> {
    const torrents = await (await fetch(`${this.#api}/info`)).json() as { progress: number; state: string }[];
    return torrents.some(({ progress, state }) => progress === 1 && /UP$|uploading/.test(state));
  }

  async forget(): Promise<void> {
    const form = new URLSearchParams({ hashes: "all", deleteFiles: "false" });
    await this.#post("delete", form);
    await until("qbittorrent-nox forgot", async () => (await (await fetch(`${this.#api}/info`)).json()).length === 0);
  }

  async #post(what: string, body: BodyInit): Promise<void> {
    const response = await fetch(`${this.#api}/${what}`, { method: "POST", body });
    const text = await response.text();
    if (!response.ok || text === "Fails.") throw new Error(`qbittorrent-nox refused to ${what}: ${text}`);
  }
}
