import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { AsyncQueue } from "../../lib/core/async_queue.ts";
import { NetworkError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { Datagrams, Endpoint } from "../../lib/core/transport.ts";
import { Driver, type DriverOptions } from "../../lib/coordinator/driver.ts";
import type { Effect, Input, LogEvent } from "../../lib/coordinator/role/types.ts";
import { Outbox } from "../../lib/coordinator/role/outbox.ts";
import { Shedding } from "../../lib/coordinator/role/shedding.ts";
import { RequestTallies, ResultTally } from "../../lib/coordinator/role/tallies.ts";
import { noTracing } from "../../lib/coordinator/tracing.ts";
import { loadOpaque } from "../../lib/session/opaque.ts";
import { FakeStore, turns, writeAsk } from "./fake_store.ts";

await loadOpaque();

const peer: Endpoint = { ip: "127.0.0.1", port: 4000 };

/** A socket in memory. */
class FakeDatagrams implements Datagrams {
  readonly local: Endpoint = { ip: "127.0.0.1", port: 5000 };
  readonly incoming = new AsyncQueue<{ bytes: Uint8Array; from: Endpoint }>();
  readonly sent: [number, number][] = [];
  closed = false;
  receive() {
    return this.incoming.next();
  }
  send(bytes: Uint8Array, to: Endpoint) {
    this.sent.push([bytes[0]!, to.port]);
    return Promise.resolve();
  }
  close() {
    this.closed = true;
    this.incoming.close();
  }
}

/** A role that does what the test says, and remembers its inputs. */
class FakeRole {
  wakeAtMs = Infinity;
  readonly inputs: Input[] = [];
  sessions = 0;
  readonly tallies = {
    requests: new RequestTallies(),
    logins: new ResultTally(),
    shedding: new Shedding(new Outbox().underWay),
  };
  heard = () => {};
  react: (input: Input, nowMs: number) => Effect[] = () => [];
  handle(input: Input, nowMs: number): Effect[] {
    this.inputs.push(input);
    this.heard();
    return this.react(input, nowMs);
  }
  figures() {
    const { sessions } = this;
    return {
      sessions,
      pendingLogins: 0,
      datagramsIn: 2,
      datagramsRefused: 0,
      datagramsShed: 0,
      logins: 3,
      offers: 0,
      reports: 0,
    };
  }
  /** Waits for an input of a kind. */
  async until(kind: Input["kind"]): Promise<Input> {
    for (;;) {
      const found = this.inputs.find((input) => input.kind === kind);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.heard = resolve);
    }
  }
}

function setUp(changes: Partial<DriverOptions> = {}) {
  const role = new FakeRole();
  const datagrams = new FakeDatagrams();
  const fake = new FakeStore();
  const events: LogEvent[] = [];
  const faults: unknown[] = [];
  const driver = new Driver({
    role,
    datagrams,
    store: fake.store,
    serverSetup: "",
    clock: () => 1000,
    connect: () => Promise.reject(new NetworkError("refused")),
    settleAccount: () => Promise.resolve(),
    log: (event) => events.push(event),
    tracing: noTracing,
    onFault: (error) => faults.push(error),
    ...changes,
  });
  return { role, datagrams, fake, events, faults, driver, running: driver.run() };
}

const send = (byte: number, to = peer): Effect => ({ kind: "send", to, bytes: new Uint8Array([byte]) });

Deno.test("Driver gives datagrams to the role, in order, and sends what it says", async () => {
  const { role, datagrams, driver, running } = setUp();
  role.react = (input) => input.kind === "datagram" ? [send(input.bytes[0]! + 1, input.from)] : [];
  for (const byte of [1, 2, 3]) datagrams.incoming.push({ bytes: new Uint8Array([byte]), from: peer });
  await turns();
  assertEquals(datagrams.sent, [[2, 4000], [3, 4000], [4, 4000]]);
  await driver.stop(1000, []);
  await running;
});

Deno.test("Driver tells the role that it is behind while datagrams always wait for it, and not where each is waited for", async () => {
  const { role, datagrams, driver, running } = setUp();
  const datagram = { bytes: new Uint8Array([1]), from: peer };
  // Each comes a moment after it is asked for.
  for (let i = 0; i < 3_000; i++) {
    for (const untilMs = performance.now() + 0.05; performance.now() < untilMs;);
    datagrams.incoming.push(datagram);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assertEquals(role.inputs.filter(({ kind }) => kind !== "datagram"), []);
  while (!role.inputs.some(({ kind }) => kind === "behind")) {
    for (let i = 0; i < 5_000; i++) datagrams.incoming.push(datagram);
    await turns();
  }
  await driver.stop(1000, []);
  await running;
});

Deno.test("Driver receives on while the store works, and brings its answers back by token", async () => {
  const { role, datagrams, fake, driver, running } = setUp();
  fake.held = true;
  role.react = (input) =>
    input.kind === "datagram" ? [{ kind: "store", token: input.bytes[0]!, ask: writeAsk(1) }] : [];
  datagrams.incoming.push({ bytes: new Uint8Array([7]), from: peer });
  datagrams.incoming.push({ bytes: new Uint8Array([8]), from: peer });
  await turns();
  assertEquals(role.inputs.map((input) => input.kind), ["datagram", "datagram"]);
  fake.held = false;
  fake.release();
  await role.until("stored");
  await turns();
  const tokens = role.inputs.flatMap((input) => input.kind === "stored" ? [input.token] : []);
  assertEquals(tokens, [7, 8]);
  await driver.stop(1000, []);
  await running;
});

Deno.test("Driver wakes the role when it asks for it, again and again", async () => {
  const { role, driver, running } = setUp();
  let ticks = 0;
  role.wakeAtMs = 1001;
  role.react = (input) => {
    // The same time again: the alarm has rung for it, and is wanted anew.
    if (input.kind === "tick" && ++ticks === 3) role.wakeAtMs = Infinity;
    return [];
  };
  driver.give({ kind: "accountChanged", account: "ada", code: "disabled" });
  while (ticks < 3) await role.until("tick").then(turns);
  await driver.stop(1000, []);
  await running;
});

Deno.test("Driver tells whether a device answers a dial-back", async () => {
  const dialled: unknown[] = [];
  const { role, driver, running } = setUp({
    connect: ({ endpoint, timeoutMs }) => {
      dialled.push([endpoint.port, timeoutMs]);
      if (endpoint.port === 1) return Promise.reject(new NetworkError("refused"));
      return Promise.resolve({
        read: () => Promise.resolve(null),
        write: () => Promise.resolve(),
        close: () => dialled.push("closed"),
        remote: endpoint,
      });
    },
  });
  role.react = (input) =>
    input.kind !== "accountChanged" ? [] : [1, 2].map((port): Effect => ({
      kind: "probe",
      token: port,
      endpoint: { ip: "127.0.0.1", port },
      certificate: new Uint8Array(1),
    }));
  driver.give({ kind: "accountChanged", account: "ada", code: "disabled" });
  await role.until("probed");
  await turns();
  const probed = role.inputs.flatMap((input) => input.kind === "probed" ? [[input.token, input.reachable]] : []);
  assertEquals(probed.sort(), [[1, false], [2, true]]);
  assertEquals(dialled, [[1, limits.probeMs], [2, limits.probeMs], "closed"]);
  await driver.stop(1000, []);
  await running;
});

Deno.test("Driver dials a bounded number of devices at once", async () => {
  const stop: AbortSignal[] = [];
  const { role, driver, running } = setUp({
    connect: ({ signal }) => {
      stop.push(signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new NetworkError("stopped"))));
    },
  });
  role.react = (input) =>
    input.kind !== "accountChanged" ? [] : Array.from({ length: limits.probesMax + 1 }, (_, token): Effect => ({
      kind: "probe",
      token,
      endpoint: peer,
      certificate: new Uint8Array(1),
    }));
  driver.give({ kind: "accountChanged", account: "ada", code: "disabled" });
  assertEquals(stop.length, limits.probesMax);
  const answer = await role.until("probed");
  assertEquals(answer, { kind: "probed", token: limits.probesMax, reachable: false });
  await driver.stop(1000, []);
  await running;
  assertEquals(stop.every((signal) => signal.aborted), true, "the end ends them all");
});

Deno.test("Driver survives a role that throws, and tells of it", async () => {
  const { role, datagrams, faults, driver, running } = setUp();
  role.react = (input) => {
    if (input.kind === "datagram" && input.bytes[0] === 1) throw new RangeError("ours");
    return input.kind === "datagram" ? [send(9)] : [];
  };
  datagrams.incoming.push({ bytes: new Uint8Array([1]), from: peer });
  datagrams.incoming.push({ bytes: new Uint8Array([2]), from: peer });
  await turns();
  assertEquals(faults.map(String), ["RangeError: ours"]);
  assertEquals(datagrams.sent, [[9, 4000]]);
  await driver.stop(1000, []);
  await running;
});

Deno.test("Driver passes the role's events to the log, and its figures on", async () => {
  const { role, events, driver, running } = setUp();
  role.react = () => [{ kind: "log", event: { event: "loggedIn", account: "ada" } }];
  driver.give({ kind: "accountChanged", account: "ada", code: "disabled" });
  assertEquals(events, [{ event: "loggedIn", account: "ada" }]);
  assertEquals(driver.figures().logins, 3);
  await driver.stop(1000, []);
  await running;
});

Deno.test("Driver.stop() tells peers, waits for the store, and then hears nothing more", async () => {
  const { role, datagrams, fake, driver, running } = setUp();
  fake.held = true;
  role.react = (input) => input.kind === "drain" ? [send(5), { kind: "store", token: 1, ask: writeAsk(1) }] : [];
  const stopped = driver.stop(60_000, []);
  await turns();
  assertEquals([datagrams.sent, datagrams.closed], [[[5, 4000]], false]);
  fake.release();
  await stopped;
  assertEquals(datagrams.closed, true);
  await running;
  assertEquals(role.inputs.map((input) => input.kind), ["drain", "stored"]);
  driver.give({ kind: "tick" });
  assertEquals(role.inputs.length, 2);
});

Deno.test("Driver.stop() waits no longer than its deadline", async () => {
  const { role, datagrams, fake, driver, running } = setUp();
  fake.held = true;
  role.react = (input) => input.kind === "drain" ? [{ kind: "store", token: 1, ask: writeAsk(1) }] : [];
  await driver.stop(1, []);
  assertEquals(datagrams.closed, true);
  await running;
  fake.release();
});

Deno.test("Driver.stop() ends more sessions than datagrams may wait, and drops none of their ends", async () => {
  const { role, datagrams, driver, running } = setUp();
  const count = 3 * limits.sendsMax;
  role.sessions = count;
  // The system takes each datagram some turns later, as on a slow line.
  datagrams.send = async (bytes, to) => {
    await new Promise((resolve) => setTimeout(resolve));
    datagrams.sent.push([bytes[0]!, to.port]);
  };
  role.react = (input) => {
    if (input.kind !== "drain") return [];
    const some = Math.min(input.atOnce, role.sessions);
    role.sessions -= some;
    return Array.from({ length: some }, () => send(5));
  };
  await driver.stop(60_000, []);
  assertEquals([datagrams.sent.length, driver.tallies().datagramsDropped], [count, 0]);
  await running;
});

Deno.test("Driver.stop() tells where peers may go, and lets a login in its last step end", async () => {
  const { role, datagrams, driver, running } = setUp();
  const elsewhere = [{ ip: "192.0.2.7", port: 5000 }];
  role.react = (input) => {
    if (input.kind === "drain") return [{ kind: "opaqueFinish", token: 1, state: "", ke3: new Uint8Array(64) }];
    if (input.kind === "opaqueFinished") return [{ kind: "store", token: 2, ask: writeAsk(1) }];
    return input.kind === "stored" ? [send(9)] : [];
  };
  await driver.stop(60_000, elsewhere);
  await running;
  assertEquals(role.inputs[0], { kind: "drain", elsewhere, atOnce: limits.closesAtOnce });
  assertEquals(datagrams.sent, [[9, 4000]]);
});

Deno.test("Driver counts what it sends and drops, and times one datagram of many", async () => {
  const { role, datagrams, driver, running } = setUp();
  role.react = (input) => input.kind === "datagram" ? [send(1)] : [];
  for (let i = 0; i < 200; i++) datagrams.incoming.push({ bytes: new Uint8Array([1]), from: peer });
  await turns();
  const { datagramsOut, datagramsDropped, handlingTimes } = driver.tallies();
  assertEquals([datagramsOut, datagramsDropped], [200, 0]);
  assertEquals(handlingTimes.counts.reduce((sum, count) => sum + count, 0), 3);
  await driver.stop(1000, []);
  await running;
});
