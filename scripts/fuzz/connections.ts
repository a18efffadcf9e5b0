/**
 * connections: TCP connections of junk against a peer's transfer port and a coordinator's admin address, while honest ones are served
 * there. Laws: 1) so many at once and no more: each ends before the next takes its place;  2) the programs' memory and descriptors are
 * looked at when they have had some, and again at the end.  (I/O)
 */

import { deepStrictEqual } from "node:assert";
import { join } from "@std/path";
import type { Seeded } from "../../tests/sim/seeded.ts";
import { type Program, Stage } from "../programs.ts";
import { randomBytes } from "./damage.ts";

export interface ConnectionsOptions {
  readonly random: Seeded;
  /** Connections of junk, half of them to each. */
  readonly count: number;
  readonly secondsMax: number;
}

export interface ConnectionsReport {
  readonly seconds: number;
  readonly connections: number;
  /** Those that the other side would not take, or reset. */
  readonly refused: number;
  readonly fetches: number;
  readonly pages: number;
  /** Of the peer and the coordinator, after some connections and at the end: resident KiB and open descriptors. */
  readonly before: readonly Held[];
  readonly after: readonly Held[];
  readonly faults: readonly string[];
}

export interface Held {
  readonly program: string;
  readonly kib: number;
  readonly descriptors: number;
}

const accounts = { holder: "the holder's password", fetcher: "the fetcher's password" };
/** From one address a holder takes 32 strangers; the rest it drops. */
const atOnce = 48;
/** A connection of junk that is not ended by the other side is by us, in milliseconds. */
const heldMsMax = 400;
/** Between two honest questions. */
const askEvery = 500;
/** Times that an honest fetch may begin: its door may be full of junk just then. */
const fetchesMax = 20;

/** Starts a coordinator and a peer that shares, floods both, and tells how it went. @throws {Error} If an honest one is not served. */
export async function floodConnections(options: ConnectionsOptions): Promise<ConnectionsReport> {
  const { random, count, secondsMax } = options;
  await using stage = await Stage.open(accounts);
  const coordinator = await stage.coordinator(["--admin", "0", "--quiet"]);
  const ready = await coordinator.line(({ type }) => type === "ready");
  const admin = String(ready["admin"]);
  await Deno.writeFile(stage.path("file"), random.bytes(100_000));
  const holder = stage.peer("holder", ["share", stage.path("file")]);
  const transfer = await holder.ready();
  const programs = { coordinator, holder };
  const ports = [transfer, Number(admin.slice(admin.lastIndexOf(":") + 1))];

  let [refused, fetches, pages] = [0, 0, 0];
  const askAll = async () => {
    const page = await fetch(`http://${admin}/healthz`);
    deepStrictEqual([page.status, await page.text()], [200, "alive\n"]);
    pages++;
    for (let attempt = 1;; attempt++) {
      const { code, stderr } = await stage.peer("fetcher", ["fetch", "file", "--overwrite"]).end();
      if (code === 0) break;
      if (attempt === fetchesMax) throw new Error(`The honest fetch ended with ${code}: ${stderr}`);
    }
    await Deno.remove(stage.path("files-fetcher", "file"));
    fetches++;
  };

  const startedAtMs = performance.now();
  let begun = 0;
  const flood = async (until: number) => {
    const one = async () => {
      while (begun < until) {
        const turn = begun++;
        if (!await junkConnection(random, ports[turn % ports.length]!, turn)) refused++;
        if ((performance.now() - startedAtMs) / 1000 > secondsMax) {
          throw new Error(`${begun} connections took too long`);
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
  };
  await flood(Math.min(count, count / 5));
  await askAll();
  const before = await heldBy(programs);
  for (let until = begun + askEvery; begun < count; until += askEvery) {
    await Promise.all([flood(Math.min(count, until)), askAll()]);
  }
  await askAll();
  const after = await heldBy(programs);
  const faults = [coordinator, holder].flatMap(({ stderr }) =>
    stderr.split("\n").filter((line) => /fault|TypeError|RangeError|\bat .*\.ts:\d+/.test(line))
  );
  const seconds = (performance.now() - startedAtMs) / 1000;
  return { seconds, connections: begun, refused, fetches, pages, before, after, faults };
}

/** One connection that says something that is none of ours, or nothing; false if it was refused or reset. */
async function junkConnection(random: Seeded, port: number, turn: number): Promise<boolean> {
  let connection: Deno.TcpConn | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const open = connection;
    timer = setTimeout(() => open.close(), random.below(heldMsMax));
    for (const bytes of junkFor(random, turn)) await write(open, bytes);
    if (random.chance(0.3)) await open.closeWrite();
    const buffer = new Uint8Array(4096);
    while (await open.read(buffer) !== null);
    return true;
  } catch (error) {
    // Closed by our own timer, or by the other side: both are how it should end.
    return !(error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.ConnectionReset);
  } finally {
    clearTimeout(timer);
    try {
      connection?.close();
    } catch {
      // The timer has closed it.
    }
  }
}

async function write(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}

/** What is written: nothing, noise, the beginning of a TLS handshake and noise, requests that are none, one byte at a time. */
function junkFor(random: Seeded, turn: number): readonly Uint8Array[] {
  const text = (line: string) => new TextEncoder().encode(line);
  const name = "x".repeat(random.below(20_000));
  switch (turn % 8) {
    case 0:
      return [];
    case 1:
      return [randomBytes(random, 20_000)];
    case 2: {
      // A TLS record of a handshake: ClientHello, of a length that may be wrong.
      const body = randomBytes(random, 600);
      return [
        new Uint8Array([22, 3, 1, random.below(64), random.below(256), 1, 0, random.below(4), random.below(256)]),
        body,
      ];
    }
    case 3:
      return [text(`GET /${name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)];
    case 4:
      return [
        text(
          `GET /metrics HTTP/1.1\r\nHost: ${
            random.chance(0.5) ? "evil.example" : "127.0.0.1"
          }\r\nAuthorization: Bearer ${name}\r\n\r\n`,
        ),
      ];
    case 5:
      return [
        text(`POST /healthz HTTP/1.1\r\nContent-Length: 99999999\r\nTransfer-Encoding: chunked\r\n\r\n`),
        randomBytes(random, 900),
      ];
    case 6:
      return [...text("GET /healthz HTTP/1.1\r\nX: ")].map((byte) => Uint8Array.of(byte));
    default:
      return [text(`\0\u{fffd}${name}\r\n\r\n`), randomBytes(random, 100)];
  }
}

/** What programs hold: of proc(5), read by others since Deno itself lets nobody look without all permissions. */
async function heldBy(programs: Readonly<Record<string, Program>>): Promise<readonly Held[]> {
  const read = async (command: string, path: string) =>
    new TextDecoder().decode((await new Deno.Command(command, { args: [path] }).output()).stdout);
  return await Promise.all(
    Object.entries(programs).map(async ([program, { pid }]) => {
      const status = await read("cat", join("/proc", String(pid), "status"));
      const descriptors = (await read("ls", join("/proc", String(pid), "fd"))).trim().split("\n").length;
      return { program, kib: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]), descriptors };
    }),
  );
}
