/**
 * wormhole: magic-wormhole, direct: SHA-256 of the file, NaCl secretbox, a key agreed on by PAKE. The sender has read its file and waits
 * when the receiver is started. The mailbox is our own; there is no relay.  (I/O)
 */

import { join } from "@std/path";
import { Program } from "../../programs.ts";
import { freePort, run, untilListening } from "../ground.ts";
import type { Tool } from "../tool.ts";

export const wormhole: Tool = {
  name: "magic-wormhole",
  kind: "peer to peer",
  needs: ["wormhole", "twist3"],
  prepare: async ({ stage, source, fileName }, work) => {
    const [mailboxPort, noRelayPort] = [freePort(), freePort()];
    const mailbox = stage.run(
      [
        "wormhole-mailbox",
        `--port=tcp:${mailboxPort}:interface=127.0.0.1`,
        `--channel-db=${join(work, "mailbox.sqlite")}`,
      ],
      { executable: "twist3", env: { HOME: work }, cwd: work },
    );
    await untilListening(mailbox, mailboxPort);
    const words = [
      "--relay-url",
      `ws://127.0.0.1:${mailboxPort}/v1`,
      "--transit-helper",
      `tcp:127.0.0.1:${noRelayPort}`,
    ];
    let [count, code] = [0, ""];
    let sender: Program | undefined;
    return {
      running: { sending: [], receiving: [] },
      before: async (_folder, watch) => {
        code = `${++count}-bench-mark`;
        const send = ["send", "--hide-progress", "--code", code, join(source, fileName)];
        sender = new Program([...words, ...send], { executable: "wormhole", env: { HOME: work }, cwd: work });
        watch("sending", sender);
        await sender.note("wormhole receive");
      },
      fetch: async (folder, watch) => {
        await run("wormhole", [
          ...words,
          "receive",
          "--hide-progress",
          "--accept-file",
          "-o",
          join(folder, fileName),
          code,
        ], {
          env: { HOME: work },
          cwd: work,
          started: (program) => watch("receiving", program),
        });
      },
      after: async () => {
        await sender?.end();
      },
      stop: async () => {
        await sender?.kill();
      },
    };
  },
};
