/** local_client: runs commands through the peer that owns the home.  (I/O) */

import { NetworkError } from "../core/errors.ts";
import { connectLocal, type LocalConnection } from "../net/local.ts";
import type { Command, CommandEnd, CommandRunner, PeerEvent } from "./commands.ts";
import { formatQuestion, type LocalQuestion } from "./local_protocol.ts";

/** What a further command was told on its own command line. */
export interface LocalTarget {
  /** The owner's socket: home's `localSocketPath`. */
  readonly path: string;
  /** The coordinator that is meant, as a numeric endpoint. */
  readonly coordinator: string;
  /** The account that is meant, if one was named. */
  readonly account: string | undefined;
}

export class LocalClient implements CommandRunner, Disposable {
  readonly #target: LocalTarget;
  /** The connection that showed that the owner is there; the first question goes over it. */
  #first: LocalConnection | undefined;
  #notes: Promise<LocalConnection> | undefined;

  private constructor(target: LocalTarget, first: LocalConnection) {
    this.#target = target;
    this.#first = first;
  }

  /** Connects to the owner. @throws {NetworkError} If none listens: it is just starting, or just ending. */
  static async open(target: LocalTarget): Promise<LocalClient> {
    return new LocalClient(target, await connectLocal(target.path));
  }

  /** @throws {NetworkError} If the owner is not there any more. */
  async *run(command: Command, signal: AbortSignal): AsyncGenerator<PeerEvent | CommandEnd> {
    const connection = await this.#ask({
      ask: "run",
      command,
      coordinator: this.#target.coordinator,
      account: this.#target.account ?? null,
    });
    const hangUp = () => connection.close();
    signal.addEventListener("abort", hangUp, { once: true });
    try {
      for (;;) {
        const line = await connection.readLine();
        if (line === undefined) break;
        const event = JSON.parse(line) as PeerEvent | CommandEnd;
        yield event;
        if (event.type === "end") return;
      }
      if (command.command === "quit") yield { type: "end", exitCode: 0 };
      else if (signal.aborted) yield { type: "end", exitCode: 130 };
      else throw new NetworkError("Lost the peer that owns this home: it ended", { hint: "Run the command again" });
    } finally {
      signal.removeEventListener("abort", hangUp);
      connection.close();
    }
  }

  async nextNote(): Promise<PeerEvent | undefined> {
    this.#notes ??= this.#ask({ ask: "notes" });
    const line = await (await this.#notes).readLine();
    return line === undefined ? undefined : JSON.parse(line) as PeerEvent;
  }

  async knownNames(): Promise<readonly string[]> {
    const connection = await this.#ask({ ask: "names" });
    const line = await connection.readLine();
    connection.close();
    return line === undefined ? [] : (JSON.parse(line) as { names?: string[] }).names ?? [];
  }

  [Symbol.dispose](): void {
    this.#first?.close();
    this.#notes?.then((connection) => connection.close(), () => {});
  }

  async #ask(question: LocalQuestion): Promise<LocalConnection> {
    const connection = this.#first ?? await connectLocal(this.#target.path);
    this.#first = undefined;
    await connection.writeLine(formatQuestion(question));
    return connection;
  }
}
