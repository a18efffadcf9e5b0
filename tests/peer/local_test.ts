import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
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
      yield { type: "file", name: "a", bytes: 1, id: "0".repeat(64), holders: 1, sharedAtMs: 1 };
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

function find(pattern: string): Command {
  return { command: "find", wanted: { terms: [{ mode: "substring", pattern }] } };
}

Deno.test("a command through the local socket answers the owner's events and its end", () =>
  withServer(async (path, runner) => {
    using client = await LocalClient.open({ path, coordinator: owner.coordinator, account: "ALICE" });
    const events = await eventsOf(client, find("a"));
    assertEquals(events.map(({ type }) => type), ["file", "end"]);
    assertEquals(runner.ran, [find("a")]);
    assertEquals(await client.knownNames(), ["x", "y"]);
    assertEquals(await client.nextNote(), { type: "note", message: "hello" });
  }));

Deno.test("a command that means another coordinator or account is refused", () =>
  withServer(async (path, runner) => {
    const others = [{ coordinator: "127.0.0.1:6000", account: undefined }, { ...owner, account: "bob" }];
    for (const other of others) {
      using client = await LocalClient.open({ path, ...other });
      const events = await eventsOf(client, find("a"));
      assertEquals(events.map((event) => event.type === "end" ? event.exitCode : event.type), ["error", 2]);
    }
    assertEquals(runner.ran, []);
  }));

Deno.test("serve is refused where a peer serves already: there would be no second one", () =>
  withServer(async (path, runner) => {
    using client = await LocalClient.open({ path, ...owner });
    const events = await eventsOf(client, { command: "serve" });
    assertEquals(events.map((event) => event.type === "error" ? event.code : event), ["exists", {
      type: "end",
      exitCode: 10,
    }]);
    assertEquals(runner.ran, []);
  }));

Deno.test("an owner of an older release refuses a command that it does not know, and does one with a field that it does not know", () =>
  withServer(async (path, runner) => {
    using client = await LocalClient.open({ path, ...owner });
    const [error, end] = await eventsOf(client, { command: "future", names: ["a"] } as never);
    assert(error?.type === "error");
    assertEquals([error.code, end], ["version", { type: "end", exitCode: 5 }]);
    assertStringIncludes(error.message, "the peer that owns this home is older");
    assertStringIncludes(error.hint, "quit");
    const events = await eventsOf(client, { ...find("a"), future: [1] } as never);
    assertEquals(events.map(({ type }) => type), ["file", "end"]);
    assertEquals(runner.ran, [find("a")]);
    const [tooLong] = await eventsOf(client, find("a".repeat(401)));
    assertEquals(tooLong?.type === "error" && tooLong.code, "usage");
  }));

Deno.test("a client of an older release passes on events that it does not know, up to the end", async () => {
  const folder = await Deno.makeTempDir({ prefix: "shoal-local-" });
  const path = join(folder, "peer.sock");
  const listener = listenLocal(path);
  try {
    using client = await LocalClient.open({ path, ...owner });
    const events = eventsOf(client, { command: "status" });
    const connection = (await listener.accept())!;
    await connection.readLine();
    for (const line of [{ type: "future", a: 1 }, { type: "end", exitCode: 3, future: true }]) {
      await connection.writeLine(JSON.stringify(line));
    }
    assertEquals(await events, [{ type: "future", a: 1 }, { type: "end", exitCode: 3, future: true }] as never);
    const names = client.knownNames();
    const asked = (await listener.accept())!;
    await asked.readLine();
    await asked.writeLine(JSON.stringify({ type: "error", code: "version", message: "", hint: "" }));
    assertEquals(await names, []);
    connection.close();
    asked.close();
  } finally {
    listener.close();
    await Deno.remove(folder, { recursive: true });
  }
});

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
  assertEquals(parseQuestion(formatQuestion(question)), { ok: true, value: question });
  const fetch = {
    command: "fetch",
    targets: [{ pattern: "a" }],
    folder: "/",
    onExists: "refuse",
    timeoutMs: 1,
    sync: true,
  };
  const commands = [
    fetch,
    { ...fetch, priority: "low", timeoutTold: true, inBackground: true },
    { command: "pause", fetches: [1, 2] },
    { command: "resume", fetches: "all" },
    { command: "cancel", fetches: [1] },
    { command: "priority", fetches: "all", priority: "high" },
    { command: "receipts", name: null },
    { command: "verify", path: "/a", word: "a", byReceipt: true },
  ];
  for (const command of commands) {
    assertEquals(parseQuestion(JSON.stringify({ ask: "run", command, ...owner })), {
      ok: true,
      value: { ask: "run", command, ...owner },
    } as never);
  }
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
      JSON.stringify({ ask: "run", command: { ...fetch, priority: "urgent" }, ...owner }),
      JSON.stringify({ ask: "run", command: { command: "pause", fetches: [] }, ...owner }),
      JSON.stringify({ ask: "run", command: { command: "cancel", fetches: [0] }, ...owner }),
      JSON.stringify({ ask: "run", command: { command: "cancel", fetches: "1" }, ...owner }),
      JSON.stringify({ ask: "run", command: { command: "remove", names: ["n".repeat(401)] }, ...owner }),
    ]
  ) assertEquals(parseQuestion(junk).ok, false, junk);
});
