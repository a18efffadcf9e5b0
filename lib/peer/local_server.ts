/** local_server: answers further commands of the same user through the local socket. Bounded: 64 connections.  (I/O) */

import type { LocalConnection, LocalListener } from "../net/local.ts";
import type { CommandRunner } from "./commands.ts";
import { type LocalQuestion, parseQuestion } from "./local_protocol.ts";
import { errorEvent } from "./error_event.ts";
import { ShoalError, UsageError } from "../core/errors.ts";

const connectionsMax = 64;

/** Who owns the home: commands that mean another coordinator or account are refused. */
export interface LocalOwner {
  /** A numeric endpoint. */
  readonly coordinator: string;
  readonly account: string;
}

export class LocalServer implements Disposable {
  readonly #listener: LocalListener;
  readonly #runner: CommandRunner;
  readonly #owner: () => LocalOwner;
  readonly #connections = new Set<LocalConnection>();
  /** Commands that run for other processes. */
  readonly #commands = new Set<Promise<void>>();
  /** Subscribes to notes that belong to no command; returns what ends the subscription. */
  readonly #subscribe: (listener: (line: string) => void) => () => void;

  constructor(
    listener: LocalListener,
    runner: CommandRunner,
    owner: () => LocalOwner,
    subscribe: (listener: (line: string) => void) => () => void,
  ) {
    this.#listener = listener;
    this.#runner = runner;
    this.#owner = owner;
    this.#subscribe = subscribe;
    this.#accept();
  }

  /** Takes no more connections, and waits until the commands of other processes are done. */
  async drain(): Promise<void> {
    this.#listener.close();
    await Promise.allSettled(this.#commands);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
  }

  async #accept(): Promise<void> {
    for (;;) {
      const connection = await this.#listener.accept();
      if (connection === undefined) return;
      if (this.#connections.size >= connectionsMax) {
        connection.close();
        continue;
      }
      this.#connections.add(connection);
      this.#serve(connection).catch(() => {
        // The other process hung up while it was answered; there is nobody to tell.
      }).finally(() => {
        this.#connections.delete(connection);
        connection.close();
      });
    }
  }

  async #serve(connection: LocalConnection): Promise<void> {
    const line = await connection.readLine();
    if (line === undefined) return;
    const parsed = parseQuestion(line);
    if (!parsed.ok) return await refuse(connection, parsed.error === "unknown" ? unknownQuestion() : illegalQuestion());
    const question = parsed.value;
    const hungUp = new AbortController();
    // Nothing more is said on a connection: whatever ends the next read is its end.
    connection.readLine().then(() => hungUp.abort());
    if (question.ask === "names") {
      await connection.writeLine(JSON.stringify({ names: await this.#runner.knownNames() }));
    } else if (question.ask === "notes") {
      const unsubscribe = this.#subscribe((note) => connection.writeLine(note).catch(() => hungUp.abort()));
      await new Promise<void>((resolve) => hungUp.signal.addEventListener("abort", () => resolve(), { once: true }));
      unsubscribe();
    } else {
      const command = this.#run(question, connection, hungUp.signal);
      this.#commands.add(command);
      await command.finally(() => this.#commands.delete(command));
    }
  }

  async #run(
    question: LocalQuestion & { readonly ask: "run" },
    connection: LocalConnection,
    signal: AbortSignal,
  ): Promise<void> {
    const refusal = this.#refusal(question);
    if (refusal !== undefined) return await refuse(connection, refusal);
    for await (const event of this.#runner.run(question.command, signal)) {
      await connection.writeLine(JSON.stringify(event));
    }
  }

  #refusal({ command, coordinator, account }: LocalQuestion & { readonly ask: "run" }): ShoalError | undefined {
    const owner = this.#owner();
    const isOther = coordinator !== owner.coordinator ||
      (account !== null && account.toLowerCase() !== owner.account.toLowerCase());
    if (isOther) {
      return new UsageError(
        `Cannot run the command: this home is in use by ${owner.account} at ${owner.coordinator}`,
        { hint: "Use another --home, or end that peer with: quit" },
      );
    }
    if (command.command !== "serve") return undefined;
    return new ShoalError("exists", "Cannot serve: another process serves this home already", {
      hint: "Ask it with: status; end it with: quit",
    });
  }
}

async function refuse(connection: LocalConnection, error: ShoalError): Promise<void> {
  await connection.writeLine(JSON.stringify(errorEvent(error)));
  await connection.writeLine(JSON.stringify({ type: "end", exitCode: error.exitCode }));
}

function unknownQuestion(): ShoalError {
  return new ShoalError(
    "version",
    "Cannot run the command: the peer that owns this home is older and does not know it",
    {
      hint: "End that peer with: quit; then run the command again",
    },
  );
}

function illegalQuestion(): ShoalError {
  return new UsageError("Cannot run the command: the peer that owns this home does not take a part of it", {
    hint: "A name or a path is too long, or there are too many of them",
  });
}
