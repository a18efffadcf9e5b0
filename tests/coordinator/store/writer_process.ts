/** writer_process: a process that writes through the store (store_writer.ts) until it is killed, and what it was told is stored. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Store } from "../../../lib/coordinator/store/store.ts";

const script = fromFileUrl(new URL("./store_writer.ts", import.meta.url));
/** Files in a group. */
const groupFiles = 6;

export class WriterProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  readonly #begun = Promise.withResolvers<void>();
  #text = "";

  /** @param place A path, or a URL and a lease in milliseconds. */
  constructor(...place: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-prompt", "--no-check", "-P=coordinator", script, ...place],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#reading = this.#read();
    this.#begun.promise.catch(() => {});
  }

  /** Files that it was told are stored. */
  get acknowledged(): number {
    return Number(this.#text.split("\n").at(-2) ?? 0);
  }

  /** Resolves with the first group. */
  begun(): Promise<void> {
    return this.#begun.promise;
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await this.ended();
  }

  /** Resolves once it has ended and all that it said is read. */
  async ended(): Promise<void> {
    await this.#child.status;
    await this.#reading;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  async #read(): Promise<void> {
    for await (const part of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#text += part;
      if (this.acknowledged > 0) this.#begun.resolve();
    }
    this.#begun.reject(new Error("the writer ended before its first group"));
  }
}

/** Fails unless a store has all that a writer was told, and of what it was not told whole groups. */
export async function assertKept(store: Store, acknowledged: number): Promise<void> {
  const { shares } = (await store.findAccount("ada"))!;
  assert(shares >= acknowledged, `${shares} shares of ${acknowledged} acknowledged`);
  assertEquals(shares % groupFiles, 0, "a group is stored whole or not at all");
  const figures = await store.figures();
  assertEquals([figures.files, figures.shares], [shares, shares]);
}
