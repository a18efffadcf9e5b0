/**
 * coordinators: three coordinators on one PostgreSQL that are killed at random moments and started again, behind `deno task kills
 * coordinators`: hundreds of sessions, made by the peer's own part of the control plane over sockets of their own, and peers as programs
 * that fetch all the time. Laws: 1) after each kill everybody is back within two keep-alives, and only at coordinators that live;
 * 2) no fetch that began is lost;  3) nobody is ever asked for a password: the fetchers have none.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import { openKeyFile } from "../../lib/coordinator/key_file.ts";
import { PostgresDatabase } from "../../lib/coordinator/store/postgres_database.ts";
import { openPostgresStore } from "../../lib/coordinator/store/postgres_store.ts";
import { listenUdp } from "../../lib/net/udp.ts";
import { Control } from "../../lib/peer/control.ts";
import type { Enrolment } from "../../lib/membership/types.ts";
import { type SigningKey, signingKeyFrom } from "../../lib/session/device_key.ts";
import { prove, registerLocally } from "../../lib/session/opaque.ts";
import type { RealPostgres } from "../../tests/coordinator/store/real_postgres.ts";
import { seeded } from "../../tests/sim/seeded.ts";
import { type Program, Stage } from "../programs.ts";

export interface CampaignOptions {
  readonly server: RealPostgres;
  /** How long coordinators are killed. */
  readonly seconds: number;
  readonly seed: number;
  /** Light peers, and peers as programs that fetch. */
  readonly sessions: number;
  readonly fetchers: number;
  readonly keepAliveMs: number;
  readonly note: (line: string) => void;
}

/** What happened. */
export interface CampaignFigures {
  readonly kills: number;
  readonly fetches: number;
  /** Fetches that were asked for while every holder was on its way to another coordinator; they were asked for again. */
  readonly early: number;
  /** From the last kill of a round until everybody was back, in milliseconds. */
  readonly backMs: readonly number[];
  /** How long devices that died with their coordinator stayed online, in milliseconds. */
  readonly goneMs: number;
}

const count = 3;
const fetchEveryMs = 5_000;
const devicesPerAccount = 10;
const password = "correct horse battery";
/** The least that argon2id takes: it is the peers' work. */
const stretching = { iterations: 1, memory: 8, parallelism: 1 } as const;
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One of the coordinators, which comes back on its port with its folder. */
class Sibling {
  readonly #stage: Stage;
  readonly #args: readonly string[];
  port = 0;
  #program: Program | undefined;

  constructor(stage: Stage, folder: string, args: readonly string[]) {
    this.#stage = stage;
    this.#args = ["--data", folder, "--json", "--advertise", "127.0.0.1", ...args];
  }

  get isAlive(): boolean {
    return this.#program !== undefined;
  }

  async start(): Promise<void> {
    this.#program = this.#stage.start("coordinator", [String(this.port), ...this.#args]);
    this.port = await this.#program.ready();
  }

  async kill(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    await program?.kill();
  }
}

/** Runs for so long, and leaves nothing behind. @throws {Error} At the first fault. */
export async function killCoordinators(options: CampaignOptions): Promise<CampaignFigures> {
  const { server, sessions, fetchers, keepAliveMs, note } = options;
  const dice = seeded(options.seed);
  const url = await server.createDatabase();
  await using stage = await Stage.open({ holder: password, fetcher: password });
  const common = ["--store", url, "--keep-alive", String(keepAliveMs / 1000)];
  const siblings = Array.from({ length: count }, (_, i) => new Sibling(stage, stage.path(`data${i}`), common));
  await addAccounts(url, stage.path("data0"), Math.ceil(sessions / devicesPerAccount));
  const [first, ...later] = siblings as [Sibling, ...Sibling[]];
  await first.start();

  await using opened = new AsyncDisposableStack();
  const faults: unknown[] = [];
  const crowd = new Crowd((error) => faults.push(error));
  opened.defer(() => crowd.close());
  // Passwords are proved while there is one coordinator: where their number changes, strangers wait for their next try.
  await crowd.enrol(sessions, first.port);
  const files = await fetchedFiles(stage, fetchers);
  stage.use(first.port);
  for (const home of ["holder0", "holder1"]) await stage.peer("holder", ["share", ...files], { home }).ready();
  // From then on there is nobody to ask for a password, and none to be read.
  for (let i = 0; i < fetchers; i++) assertEquals((await stage.peer("fetcher", ["peers"], fetcherAt(i)).end()).code, 0);
  await Deno.remove(stage.path("fetcher.password"));

  for (const [i, sibling] of later.entries()) {
    await Deno.mkdir(stage.path(`data${i + 1}`), { mode: 0o700 });
    await Deno.copyFile(dataPaths(stage.path("data0")).keys, dataPaths(stage.path(`data${i + 1}`)).keys);
    await sibling.start();
  }
  await crowd.spread((i) => siblings[i % count]!.port);
  note(`${crowd.size} sessions at ${count} coordinators`);

  const database = new PostgresDatabase(url);
  opened.defer(() => database.close());
  const expected = sessions + 2;
  const presence = async () => {
    const [row] = await database.sql.rows<{ readonly living: number; readonly stale: number }>(
      `SELECT count(*) FILTER (WHERE i.lease_until > now() AND a.name <> 'fetcher') AS living,
         count(*) FILTER (WHERE i.lease_until <= now()) AS stale
       FROM online o JOIN instances i USING (instance) JOIN devices d USING (device) JOIN accounts a USING (account)`,
    );
    return row!;
  };
  const converge = async (fromMs: number) => {
    for (;;) {
      if (faults.length > 0) throw faults[0];
      const { living, stale } = await presence();
      if (living === expected && stale === 0 && crowd.areOnline) return performance.now() - fromMs;
      assert(
        performance.now() - fromMs < 20 * keepAliveMs,
        `${living} of ${expected} are back, ${stale} are stale${crowd.complaint}`,
      );
      await pause(20);
    }
  };
  await converge(performance.now());
  // Each is told of those that live in that moment, and is to begin at any of the three.
  for (let i = 0; i < fetchers; i++) {
    const known = stage.path(`home-fetcher${i}`, "state", "known_coordinators.json");
    const isTold = () => siblings.every(({ port }) => Deno.readTextFileSync(known).includes(`:${port}"`));
    do await byKey(stage, i, "peers"); while (!isTold());
  }

  let isOver = false;
  let fetches = 0;
  let early = 0;
  const fetching = Promise.all(Array.from({ length: fetchers }, async (_, i) => {
    for (let round = 0; !isOver; round++) {
      stage.use(siblings[(i + round) % count]!.port); // Whether that one lives or not.
      const path = join(stage.path(`files-fetcher${i}`), `file${i}.bin`);
      await Deno.remove(path).catch(() => {});
      const code = await byKey(stage, i, "fetch", `file${i}.bin`);
      if (code === 0) fetches++;
      else early++;
      // A device may log in ten times a minute.
      if (!isOver) await pause(fetchEveryMs);
    }
  }));
  fetching.catch((error) => faults.push(error));

  let kills = 0;
  const backMs: number[] = [];
  const endAtMs = performance.now() + options.seconds * 1000;
  while (performance.now() < endAtMs) {
    let killedAtMs = 0;
    const victims = dice.chance(0.3) ? 2 : 1;
    for (let i = 0; i < victims; i++) {
      await siblings.filter((one) => one.isAlive)[dice.below(siblings.filter((one) => one.isAlive).length)]!.kill();
      killedAtMs = performance.now();
      kills++;
      await pause(dice.unit() * keepAliveMs / 2);
    }
    const isBackFirst = dice.chance(0.5);
    const restart = () => Promise.all(siblings.filter((one) => !one.isAlive).map((one) => one.start()));
    if (isBackFirst) await restart();
    const tookMs = await converge(killedAtMs);
    backMs.push(tookMs);
    note(`${victims} killed, everybody back after ${Math.round(tookMs)} ms`);
    await restart();
  }
  isOver = true;
  await fetching;

  const goneMs = await dieTogether(siblings, crowd, presence, expected);
  assertEquals(crowd.denied, 0, "nobody was asked for a password");
  if (faults.length > 0) throw faults[0];
  return { kills, fetches, early, backMs, goneMs };
}

/** Runs a fetcher's command, which has to do what it is told, or says (3) that no holder is there in this moment. */
async function byKey(stage: Stage, i: number, ...command: readonly string[]): Promise<number> {
  const words = stage.peerWords("fetcher", `fetcher${i}`);
  const at = words.indexOf("--password-file");
  const ended = await stage.start("peer", [...words.toSpliced(at, 2), "--json", ...command]).end();
  assert(ended.code === 0 || ended.code === 3, `${command.join(" ")} was lost: ${ended.stdout}${ended.stderr}`);
  return ended.code;
}

/** A coordinator dies, and so do the peers that have a session there; how long they stay online. */
async function dieTogether(
  siblings: readonly Sibling[],
  crowd: Crowd,
  presence: () => Promise<{ readonly living: number }>,
  expected: number,
): Promise<number> {
  const victim = siblings.toSorted((a, b) => crowd.at(b.port) - crowd.at(a.port))[0]!;
  const dead = crowd.die(victim.port);
  assert(dead > 0);
  await victim.kill();
  const fromMs = performance.now();
  while ((await presence()).living > expected - dead) await pause(20);
  return performance.now() - fromMs;
}

/** Accounts for the crowd and for the programs, put there before the first coordinator starts. */
async function addAccounts(url: string, folder: string, crowds: number): Promise<void> {
  await Deno.mkdir(folder, { mode: 0o700 });
  const { serverSetup } = await openKeyFile(dataPaths(folder).keys, {
    mayCreate: () => Promise.resolve(true),
    random,
  });
  const store = await openPostgresStore(url, 1_000);
  for (const account of [...Array.from({ length: crowds }, (_, i) => `crowd${i}`), "holder", "fetcher"]) {
    const own = account.startsWith("crowd") ? { stretching } : {};
    const record = registerLocally({ password, serverSetup, account, ...own });
    await store.putAccount(account, record, { overwrite: false, nowMs: Date.now() });
  }
  await store.close();
}

async function fetchedFiles(stage: Stage, fetchers: number): Promise<readonly string[]> {
  return await Promise.all(Array.from({ length: fetchers }, async (_, i) => {
    const path = stage.path(`file${i}.bin`);
    await Deno.writeFile(path, new Uint8Array(3_000_000 + i).map((_, at) => (at * 31 + i) & 255));
    return path;
  }));
}

function accountOf(index: number): string {
  return `crowd${Math.floor(index / devicesPerAccount)}`;
}

function fetcherAt(i: number) {
  return { home: `fetcher${i}` };
}

/** Peers that log in, keep alive and come back, and do nothing else. */
class Crowd {
  readonly #devices: { readonly key: SigningKey; readonly enrolment: Enrolment; control: Control }[] = [];
  readonly #onFault: (error: unknown) => void;
  #lastError: Error | undefined;
  /** How often somebody would have been asked for a password. */
  denied = 0;

  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  get size(): number {
    return this.#devices.length;
  }

  get areOnline(): boolean {
    return this.#devices.every(({ control }) => control.isOnline);
  }

  /** Logs in with passwords, at one coordinator. */
  async enrol(sessions: number, port: number): Promise<void> {
    for (let index = 0; index < sessions; index++) {
      const key = signingKeyFrom(random(32));
      const control = this.#open(index, key, port);
      this.#devices.push({ key, control, enrolment: await control.login(accountOf(index), password) });
    }
  }

  /** Has each log in by its key, at the coordinator that is told. */
  async spread(portFor: (index: number) => number): Promise<void> {
    for (const [index, device] of this.#devices.entries()) {
      device.control[Symbol.dispose]();
      device.control = this.#open(index, device.key, portFor(index));
      await device.control.loginByKey(device.enrolment);
    }
  }

  /** How many talk to this port. */
  at(port: number): number {
    return this.#devices.filter(({ control }) => control.coordinator.port === port).length;
  }

  /** Ends those that talk to this port without a word; how many. */
  die(port: number): number {
    const dying = this.#devices.filter(({ control }) => control.coordinator.port === port);
    for (const one of dying) {
      one.control[Symbol.dispose]();
      this.#devices.splice(this.#devices.indexOf(one), 1);
    }
    return dying.length;
  }

  /** How many are not online, and what the last one that was lost heard. */
  get complaint(): string {
    const offline = this.#devices.filter(({ control }) => !control.isOnline).length;
    return `; ${offline} of the sessions are not online: ${this.#lastError?.message}`;
  }

  async close(): Promise<void> {
    for (const { control } of this.#devices) control[Symbol.dispose]();
    await pause(0);
  }

  #open(index: number, device: SigningKey, port: number): Control {
    const options = {
      device,
      certificate: random(248),
      label: `device ${index}`,
      random,
      prove: (step: Parameters<typeof prove>[0]) => Promise.resolve(prove(step, stretching)),
    };
    const ignore = () => {};
    return new Control(listenUdp({ ip: "127.0.0.1", port: 0 }), { ip: "127.0.0.1", port }, options, {
      online: ignore,
      alive: ignore,
      offline: (error) => this.#lastError = error,
      revoked: ignore,
      found: ignore,
      denied: (error) => {
        this.denied++;
        this.#onFault(error);
      },
    });
  }
}
