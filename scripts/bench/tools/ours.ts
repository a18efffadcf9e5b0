/**
 * ours: the peer, in four ways: a whole command with its login, or a line typed to a peer that is logged in; each with the finished file
 * synced to the disk, and not. TLS 1.3, SHA-256 of pieces, each before it is written.  (I/O)
 */

import type { Program } from "../../programs.ts";
import type { Getter, Tool } from "../tool.ts";
import { typeFetch } from "../typed.ts";

export const ourWays = ["command with login", "command with login, synced", "logged in", "logged in, synced"] as const;

/**
 * The four ways. @param sharing The peer that has the file. @param typedTo A peer that takes lines. @param commandAccount Whose command it is.
 */
export function ourTools(sharing: Program, typedTo: Program, commandAccount: string): readonly Tool[] {
  return ourWays.map((way): Tool => {
    const more = way.endsWith("synced") ? [] : ["--no-sync"];
    const isTyped = way.startsWith("logged in");
    return {
      name: `shoal, ${way}`,
      kind: "ours",
      needs: [],
      prepare: ({ stage, fileName }) => {
        const byLine: Getter["fetch"] = async (folder) => {
          await typeFetch(typedTo, [fileName, "--dir", folder, ...more]);
        };
        const byCommand: Getter["fetch"] = async (folder, watch) => {
          await using command = stage.peer(commandAccount, ["fetch", fileName, "--dir", folder, ...more]);
          watch("receiving", command);
          const { code, stdout, stderr } = await command.end();
          if (code !== 0) throw new Error(`The fetch failed: ${stdout}${stderr}`);
        };
        return Promise.resolve({
          running: { sending: [sharing.pid], receiving: isTyped ? [typedTo.pid] : [] },
          fetch: isTyped ? byLine : byCommand,
        });
      },
    };
  });
}
