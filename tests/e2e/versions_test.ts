/** Programs of different releases: what a newer one left on disk, and what one of another protocol says, by the real programs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { Stage } from "../../scripts/programs.ts";
import { Journal } from "../../lib/content/journal.ts";
import { parseContentId } from "../../lib/core/ids.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";

const accounts = { alice: "alice's password" };
/** Written by whoever tries to own a folder, before anything is looked at. */
const locks = ["coordinator.lock", "lock"];

/** Every file below a folder with its bytes, locks left out. */
function snapshot(folder: string, below = ""): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (const { name, isDirectory, isFile } of Deno.readDirSync(join(folder, below))) {
    const path = join(below, name);
    if (isDirectory) Object.assign(files, snapshot(folder, path));
    else if (isFile && !locks.includes(name)) files[path] = Deno.readFileSync(join(folder, path));
  }
  return files;
}

/** Asserts that ARCHITECTURE.md "What is on disk" has every file that programs left below a folder. */
async function assertListed(folder: string): Promise<void> {
  const page = await Deno.readTextFile(new URL("../../ARCHITECTURE.md", import.meta.url));
  const section = page.slice(page.indexOf("## What is on disk"), page.indexOf("## Where to add"));
  const listed = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, file]) => file!);
  const files = Object.keys(snapshot(folder)).map((file) => file.replace(/-(wal|shm)$/, "").replace(/\w{64}/, "*"));
  assertEquals(files.filter((file) => !listed.includes(file)), []);
  assert(files.length > 1, folder);
}

/** Gives a file the schema 99 of a program to come. */
function makeNewer(path: string): void {
  if (path.endsWith(".db")) {
    using db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99; CREATE TABLE of_the_future (a)");
  } else if (path.endsWith(".json")) {
    Deno.writeTextFileSync(path, '{"schema": 99, "future": true}');
  } else {
    const bytes = Deno.readFileSync(path);
    new DataView(bytes.buffer).setUint16(8, 99);
    Deno.writeFileSync(path, bytes);
  }
}

/** Makes one file newer, runs a program that must refuse it, and puts the old one back. */
async function assertRefused(folder: string, file: string, run: () => ReturnType<Stage["start"]>): Promise<void> {
  const path = join(folder, file);
  const old = Deno.readFileSync(path);
  makeNewer(path);
  const before = snapshot(folder);
  const ended = await run().end();
  const error = assertFailed(ended, 5, "version");
  assertEquals(ofType(ended, "error").length, 1, said(ended));
  const said99 = `Cannot open ${path}: it has schema 99, and this program knows `;
  assertStringIncludes(error["message"] as string, said99);
  assertEquals(error["hint"], "Use the newer release that wrote it; the file is as that one left it");
  const after = snapshot(folder);
  assertEquals(Object.keys(after).sort(), Object.keys(before).sort());
  for (const [name, bytes] of Object.entries(before)) assertEquals(after[name], bytes, name);
  Deno.writeFileSync(path, old);
}

Deno.test("a coordinator refuses a data folder that a newer one wrote, changes nothing in it, and goes on with the old one", async () => {
  await using stage = await Stage.open(accounts);
  const first = await stage.coordinator();
  first.signal("SIGTERM");
  assertDone(await first.end());
  const data = stage.path("data");
  const start = () => stage.start("coordinator", ["0", "--data", data, "--json"]);
  const list = () => stage.start("coordinator", ["user", "list", "--data", data, "--json"]);
  await assertRefused(data, "coordinator.db", start);
  await assertRefused(data, "coordinator.db", list);
  await assertRefused(data, "keys.json", start);
  assertEquals(ofType(assertDone(await list().end()), "account").map((line) => line["name"]), ["alice"]);
  await stage.coordinator();
  await assertListed(data);
});

Deno.test("a peer refuses a home that a newer one wrote, changes nothing in it, and goes on with the old one", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const [source, folder] = [stage.path("a.bin"), stage.path("files-alice")];
  Deno.writeFileSync(source, new Uint8Array(300_000).fill(7));
  Deno.mkdirSync(folder);
  const holder = stage.peer("alice", ["share", source], { home: "holder" });
  const shared = await holder.line((line) => line.type === "shared");
  await holder.ready();
  const status = () => stage.peer("alice", ["status"]);
  assertDone(await status().end());

  const home = stage.path("home-alice");
  await assertRefused(home, "state/library.db", status);
  await assertRefused(home, "state/known_accounts.json", status);
  await assertRefused(home, "state/known_coordinators.json", status);
  const journals = join(home, "state", "journals");
  const content = { id: parseContentId(shared["id"] as string)!, bytes: 300_000 };
  {
    using journal = Journal.open(journals, join(Deno.realPathSync(folder), "a.bin"), content)!;
    journal.begin(0);
  }
  const [entry] = Deno.readDirSync(journals);
  const fetch = () => stage.peer("alice", ["fetch", "a.bin"]);
  await assertRefused(home, `state/journals/${entry!.name}`, fetch);
  assertEquals([...Deno.readDirSync(folder)], [], "no part was begun");
  await assertListed(home);
  await assertListed(stage.path("home-holder"));
  assertDone(await fetch().end());
  assertEquals(Deno.readFileSync(join(folder, "a.bin")), Deno.readFileSync(source));
  await assertRefused(home, "state/fetches.db", status);
  await assertListed(home);

  makeNewer(join(home, "cache", "hashes.db"));
  assertDone(await status().end());
});

/** Stands between a peer and a coordinator; what `change` answers goes on to the other side. */
class Between implements AsyncDisposable {
  readonly port: number;
  readonly #peerSide = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #coordinatorSide = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  #peer: Deno.Addr | undefined;
  readonly #ended: Promise<unknown>;

  constructor(coordinatorPort: number, change: (datagram: Uint8Array, toPeer: boolean) => readonly Uint8Array[]) {
    this.port = (this.#peerSide.addr as Deno.NetAddr).port;
    const coordinator: Deno.Addr = { transport: "udp", hostname: "127.0.0.1", port: coordinatorPort };
    this.#ended = Promise.all([
      this.#carry(this.#peerSide, async (datagram, from) => {
        this.#peer = from;
        for (const one of change(datagram, false)) await this.#coordinatorSide.send(one, coordinator);
      }),
      this.#carry(this.#coordinatorSide, async (datagram) => {
        for (const one of change(datagram, true)) await this.#peerSide.send(one, this.#peer!);
      }),
    ]);
  }

  async #carry(
    socket: Deno.DatagramConn,
    take: (datagram: Uint8Array, from: Deno.Addr) => Promise<void>,
  ): Promise<void> {
    try {
      for (;;) {
        const [datagram, from] = await socket.receive(new Uint8Array(2048));
        await take(datagram, from);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) throw error;
    }
  }

  /** Ends it. @throws {AssertionError} What `change` did not expect. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#peerSide.close();
    this.#coordinatorSide.close();
    await this.#ended;
  }
}

Deno.test("a peer at a coordinator of another protocol is told which of the two to update; forged lists keep nobody out", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const { port } = stage;
  const other = protocolVersion + 1;
  let lists = 0;
  // To each of the two it looks as if the other one spoke the next protocol.
  const swapped = (datagram: Uint8Array, toPeer: boolean) => {
    if (toPeer) {
      assertEquals(datagram, new Uint8Array([0, 1, protocolVersion]), "the coordinator's list, and nothing else");
      lists++;
      return [new Uint8Array([0, 1, other])];
    }
    assertEquals(datagram[0], protocolVersion);
    return [new Uint8Array([other, ...datagram.subarray(1)])];
  };
  {
    await using between = new Between(port, swapped);
    stage.use(between.port);
    const error = assertFailed(await stage.peer("alice", ["status"]).end(), 5, "version");
    assertEquals(
      error["message"],
      `Cannot log in: the coordinator speaks protocol ${other} and this peer speaks ${protocolVersion}`,
    );
    assertStringIncludes(error["hint"] as string, "Update this peer");
  }
  assertEquals(lists, 3);
  let forged = 0;
  const forgedList = new Uint8Array([0, 1, other]);
  const forging = (datagram: Uint8Array, toPeer: boolean) => {
    if (!toPeer) return [datagram];
    forged += 2;
    return [forgedList, datagram, forgedList];
  };
  await using between = new Between(port, forging);
  stage.use(between.port);
  assertEquals(ofType(assertDone(await stage.peer("alice", ["status"]).end()), "status")[0]?.["online"], true);
  assert(forged >= 6, `${forged} forged lists`);
});
