import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { NetworkError } from "../../lib/core/errors.ts";
import { listenLocal } from "../../lib/net/local.ts";
import type { Command, CommandEnd, CommandRunner, PeerEvent } from "../../lib/peer/commands.ts";
import { LocalClient } from "../../lib/peer/local_client.ts";
import { formatQuestion, parseQuestion } from "../../lib/peer/local_protocol.ts";
import { LocalServer } from "../../lib/peer/local_server.ts";

const owner = { coordinator: "127.0.0.1:5000", account: "alice" };

class FakeRunner implements CommandRunner {
  readonly ran: Command[] = [];
  readonly interrupted = Promise.withResolvers<void>();

  async *run(command: Command, signal: AbortSignal): AsyncGenerator<PeerEvent | CommandEnd> {
    this.ran.push(command);
    if (command.command === "find") {
      yield { type: "file", name: "a", bytes: 1, id: "0".repeat(64), holders: 1 };
      yield { type: "end", exitCode: 0 };
    } else {
      yield { type: "note", message: "begun" };
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      this.interrupted.resolve();
      yield { type: "end", exitCode: 130 };
    }
  }

  nextNote() {
    return Promise.resolve(undefined);
  }

  knownNames() {
    return Promise.resolve(["x", "y"]);
  }
}

async function withServer(work: (path: string, runner: FakeRunner) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "shoal-local-" });
  try {
    const path = join(folder, "peer.sock");
    const runner = new FakeRunner();
    const subscribe = (listener: (line: string) => void) => {
      listener(JSON.stringify({ type: "note", message: "hello" }));
      return () => {};
    };
    using _server = new LocalServer(listenLocal(path), runner, () => owner, subscribe);
    await work(path, runner);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function eventsOf(client: LocalClient, command: Command, signal = new AbortController().signal) {
  const events: (PeerEvent | CommandEnd)[] = [];
  for await (const event of client.run(command, signal)) events.push(event);
  return events;
}

Deno.test("a command through the local socket answers the owner's events and its end", () =>
  withServer(async (path, runner) => {
    using client = await LocalClient.open({ path, coordinator: owner.coordinator, account: "ALICE" });
    const events = await eventsOf(client, { command: "find", pattern: "a" });
    assertEquals(events.map(({ type }) => type), ["file", "end"]);
    assertEquals(runner.ran, [{ command: "find", pattern: "a" }]);
    assertEquals(await client.knownNames(), ["x", "y"]);
    assertEquals(await client.nextNote(), { type: "note", message: "hello" });
  }));

Deno.test("a command that means another coordinator or account is refused", () =>
  withServer(async (path, runner) => {
    const others = [{ coordinator: "127.0.0.1:6000", account: undefined }, { ...owner, account: "bob" }];
    for (const other of others) {
      using client = await LocalClient.open({ path, ...other });
      const events = await eventsOf(client, { command: "find", pattern: "a" });
      assertEquals(events.map((event) => event.type === "end" ? event.exitCode : event.type), ["error", 2]);
    }
    assertEquals(runner.ran, []);
  }));

Deno.test("hanging up interrupts the command at the owner", () =>
  withServer(async (path, runner) => {
    using client = await LocalClient.open({ path, ...owner });
    const stop = new AbortController();
    const events = client.run({ command: "status" }, stop.signal);
    await events.next();
    stop.abort();
    assertEquals((await events.next()).value, { type: "end", exitCode: 130 });
    await events.return(undefined);
    await runner.interrupted.promise;
  }));

Deno.test("LocalClient.open() says that no owner listens", async () => {
  await assertRejects(() => LocalClient.open({ path: "/nonexistent/peer.sock", ...owner }), NetworkError);
});

Deno.test("parseQuestion() takes what formatQuestion() writes, and nothing that is no question", () => {
  const question = { ask: "run", command: { command: "remove", names: ["a"] }, ...owner } as const;
  assertEquals(parseQuestion(formatQuestion(question)), question);
  const fetch = {
    command: "fetch",
    targets: [{ pattern: "a" }],
    folder: "/",
    onExists: "refuse",
    timeoutMs: 1,
    sync: true,
  };
  assertEquals(parseQuestion(JSON.stringify({ ask: "run", command: fetch, ...owner }))?.ask, "run");
  for (
    const junk of [
      "",
      "{",
      "null",
      "[]",
      '{"ask":"run"}',
      JSON.stringify({ ask: "run", command: { command: "rm" }, ...owner }),
      JSON.stringify({ ask: "run", command: { ...fetch, onExists: "eat" }, ...owner }),
      JSON.stringify({ ask: "run", command: { ...fetch, targets: [] }, ...owner }),
      JSON.stringify({ ask: "run", command: { command: "remove", names: ["n".repeat(401)] }, ...owner }),
    ]
  ) assertEquals(parseQuestion(junk), undefined, junk);
});
