/**
 * liar: the real coordinator with its real store, in this process, that can say anything: each message passes through `lie` before
 * it is sealed, as if the operator had changed the program. Peers must run as processes of their own meanwhile.
 */

import { startCoordinator } from "../../lib/coordinator/coordinator.ts";
import { openKeyFile } from "../../lib/coordinator/key_file.ts";
import { Log } from "../../lib/coordinator/log.ts";
import { SealedChannel } from "../../lib/session/sealed_channel.ts";
import { decodeMessage, encodeMessage, type Message } from "../../lib/wire/message.ts";
import type { Stage } from "../../scripts/programs.ts";

const clock = () => Math.floor(performance.timeOrigin + performance.now());
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

export class Liar implements AsyncDisposable {
  /** What is said in place of a message; at first the truth. */
  lie: (message: Message) => Message = (message) => message;
  readonly #stage: Stage;
  readonly #stack: AsyncDisposableStack;

  private constructor(stage: Stage, stack: AsyncDisposableStack) {
    this.#stage = stage;
    this.#stack = stack;
  }

  /** Starts it with the stage's accounts; the stage's peers log in here. */
  static async open(stage: Stage): Promise<Liar> {
    await using stack = new AsyncDisposableStack();
    const coordinator = stack.use(
      await startCoordinator({
        listen: { ip: "127.0.0.1", port: 0 },
        dataFolder: stage.path("data"),
        credentialsPath: stage.path("credentials"),
        keepAliveMs: 1_000,
        ...{ admin: undefined, adminTokenPath: undefined, adminNames: [], peersGoTo: [] },
        log: new Log({ format: "text", level: "error", clock, write() {} }),
        clock,
        random,
        onStoreDeath: () => {},
      }),
    );
    stage.use(coordinator.local.port);
    const liar = new Liar(stage, stack.move());
    const honest = SealedChannel.prototype.seal;
    SealedChannel.prototype.seal = function (payload) {
      const decoded = decodeMessage(payload);
      if (!decoded.ok) throw new Error(`The coordinator's own message is illegal: ${decoded.error}`);
      const { transaction, message } = decoded.value;
      return honest.call(this, encodeMessage(transaction, liar.lie(message)));
    };
    liar.#stack.defer(() => {
      SealedChannel.prototype.seal = honest;
    });
    return liar;
  }

  /** The root of the keys under which tickets are sealed: a coordinator can make any ticket. */
  async ticketRoot(): Promise<Uint8Array> {
    const { keys } = await openKeyFile(this.#stage.path("data", "keys.json"), {
      mayCreate: () => Promise.resolve(false),
      random,
    });
    return keys.ticket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
