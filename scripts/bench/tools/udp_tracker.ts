/** udp_tracker: npm's bittorrent-tracker on Node, which answers plaintext UDP announces (BEP 15).  (I/O) */

import { join } from "@std/path";
import { Program } from "../../programs.ts";
import { run } from "../ground.ts";

export const trackerPackage = "bittorrent-tracker@11.2.3";

/** Not by the package's name: its other half wants WebRTC, which is built where it is installed. */
const script = `
import Server from "./node_modules/bittorrent-tracker/server.js";
const server = new Server({ udp: true, http: false, ws: false, stats: false });
server.on("error", (error) => { throw error; });
server.listen(0, { udp: "127.0.0.1", udp6: "::1" }, () => {
  console.log(JSON.stringify({ type: "ready", port: server.udp.address().port }));
});
`;

/** Installs it into an empty folder and starts it; undefined where npm or Node cannot. */
export async function startTracker(folder: string): Promise<Program | undefined> {
  try {
    const options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts"];
    await run("npm", ["install", ...options, "--prefix", folder, trackerPackage]);
  } catch {
    return undefined;
  }
  await Deno.writeTextFile(join(folder, "tracker.mjs"), script);
  return new Program([join(folder, "tracker.mjs")], { executable: "node", cwd: folder });
}
