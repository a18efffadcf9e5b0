/**
 * campaign: kills the programs of a fetch at random moments, starts them again, and looks whether anything was lost. One fetcher, two
 * holders, one file, over and over; a round is one SIGKILL of the fetcher, of a holder, or of both, and each holder comes back on
 * another port. Laws: 1) a round's kill follows from the seed and its number alone;  2) every finished file is compared with the source
 * and has nothing beside it;  3) a piece that the journal calls verified stays verified, and is never fetched again;  4) what a kill
 * costs is bounded, by the journal and by the holders' own count;  5) a failure tells seed and round.  (I/O)
 */

import { mib } from "../../lib/core/limits.ts";
import { fetchedPath, listFiles, sha256, writeRandom } from "../../tests/e2e/files.ts";
import { journalBytes, type LeftJournal, readJournal } from "../../tests/e2e/journals.ts";
import { readBytes } from "../../tests/e2e/read_bytes.ts";
import { seeded } from "../../tests/sim/seeded.ts";
import { type Ended, type Line, type Program, Stage } from "../programs.ts";

const pieceBytes = mib / 4;
/** Programs whose login a busy machine kept waiting, above which it is no matter of chance. */
const unheardMax = 20;
/**
 * What may be sent a second time for one kill: of whatever kind, and from however many holders. Each is asked ahead for what it sent in
 * 200 ms lately, which is 8 MB where it has a processor to itself, and more after a moment in which it had not.
 */
const lossBytesMax = 32_000_000;
/** At the end of a file each holder may be asked for a piece that another one is slow with. */
const endGameBytes = 2 * pieceBytes;
/** What the holders may read less to start than the first ones did. */
const countMissBytes = 1_000_000;
/** A kill does not wait longer for its moment than this, in milliseconds: whoever it waits for may be dead already. */
const momentMsMax = 5_000;
/** A kill by the clock comes within this after the fetcher's start, in milliseconds: start, login, and the check of what is there. */
const clockMsMax = 900;

const holderNames = ["alice", "carol"] as const;
type HolderName = typeof holderNames[number];

export type KillKind = "fetcher" | "holder" | "both";

export interface CampaignOptions {
  readonly seed: number;
  /** The numbers of its rounds. */
  readonly rounds: Iterable<number>;
  readonly fileBytes: number;
  /** What each holder may send a second, in the words of `--limit-up`: there is more time to kill in. */
  readonly limitUp: string;
  /** Told after each round. */
  readonly onRound: (kind: KillKind) => void;
}

/** What a campaign saw. */
export interface Campaign {
  /** Pieces that the journal called verified when a fetcher was killed: the next run has fetched none of them. */
  readonly keptPieces: number;
  /** What each kill of a fetcher cost: bytes that had been asked for and were not verified. */
  readonly askedAgainBytes: readonly number[];
  /** What the holders sent beyond the files, by their own count; undefined where the system does not count. */
  readonly sentTwiceBytes: number | undefined;
  readonly files: number;
  /** Holders that were started again, and how many of them listened on another port then. */
  readonly holdersBack: number;
  readonly portsChanged: number;
  /** Programs that got no answer to their login in time, on a machine that is too busy, and were started again. */
  readonly unheard: number;
}

/** Runs rounds one after the other, on a stage of its own. @throws {Error} If a round shows a fault. */
export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  await using stage = await Stage.open({ alice: "alice's", carol: "carol's", bob: "bob's" });
  await stage.coordinator();
  const source = stage.path("big.bin");
  await writeRandom(source, options.fileBytes);
  const runner = new Runner(stage, source, await sha256(source), options);
  return await runner.run();
}

/** When and what one round kills. */
interface Kill {
  readonly kind: KillKind;
  readonly holders: readonly HolderName[];
  /** By the clock, in milliseconds from the fetcher's start; or a share of what the journal has still to grow. */
  readonly moment: { readonly afterMs: number } | { readonly share: number };
}

function killOf(seed: number, round: number, attempt: number): Kill {
  const random = seeded(seed + Math.imul(round, 0x9e3779b1));
  const kind = random.pick<KillKind>(["fetcher", "fetcher", "holder", "both"]);
  const some = random.pick([[holderNames[0]], [holderNames[1]], holderNames]);
  const holders = kind === "fetcher" ? [] : kind === "holder" ? some.slice(0, 1) : some;
  // One that came too late is tried again, earlier.
  const soon = 0.5 ** attempt;
  const isByClock = random.chance(0.3);
  const moment = isByClock ? { afterMs: random.unit() * clockMsMax * soon } : { share: random.unit() * 1.01 * soon };
  return { kind, holders, moment };
}

interface Holder {
  readonly program: Program;
  /** What of its reads is counted already. */
  countedBytes: number;
  wasKilled: boolean;
}

/** One run of the fetcher. */
interface Run {
  readonly program: Program;
  readonly startedAtMs: number;
  /** The journal that the run before it left. */
  readonly left: LeftJournal | undefined;
}

class Runner {
  readonly #stage: Stage;
  readonly #source: string;
  readonly #sourceHash: string;
  readonly #options: CampaignOptions;
  readonly #home: string;
  readonly #pieces: number;
  readonly #holders = new Map<HolderName, Holder>();
  readonly #ports = new Map<HolderName, number>();
  /** What a holder reads to start, as the first ones did. */
  #startReadBytes = 0;
  /** Why a holder did not start. */
  #failure: unknown;
  readonly #askedAgainBytes: number[] = [];
  #round = 0;
  #run!: Run;
  /** Of the present file. */
  #kills = 0;
  #sentBytes = 0;
  #isCounted = true;
  #sentTwiceBytes = 0;
  #files = 0;
  #holdersBack = 0;
  #portsChanged = 0;
  #unheard = 0;
  #keptPieces = 0;

  constructor(stage: Stage, source: string, sourceHash: string, options: CampaignOptions) {
    this.#stage = stage;
    this.#source = source;
    this.#sourceHash = sourceHash;
    this.#options = options;
    this.#home = stage.path("home-bob");
    this.#pieces = Math.ceil(options.fileBytes / pieceBytes);
  }

  async run(): Promise<Campaign> {
    const { rounds, seed, onRound } = this.#options;
    try {
      await this.#startFirst();
      this.#startFetch(undefined);
      for (const round of rounds) {
        this.#round = round;
        onRound(await this.#killOnce());
        if (this.#failure !== undefined) throw this.#failure;
      }
      await this.#finishFile(await this.#endOfFetch());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Round ${this.#round} of seed ${seed}: ${why}`, { cause: error });
    }
    return {
      keptPieces: this.#keptPieces,
      askedAgainBytes: this.#askedAgainBytes,
      sentTwiceBytes: this.#isCounted ? this.#sentTwiceBytes : undefined,
      files: this.#files,
      holdersBack: this.#holdersBack,
      portsChanged: this.#portsChanged,
      unheard: this.#unheard,
    };
  }

  /** Waits for the round's moment and kills; a fetch that is done before is looked at, and the next one is killed. */
  async #killOnce(): Promise<KillKind> {
    for (let attempt = 0;; attempt++) {
      const kill = killOf(this.#options.seed, this.#round, attempt);
      if (await this.#moment(kill.moment)) {
        await this.#kill(kill);
        return kill.kind;
      }
      await this.#finishFile(await this.#endOfFetch());
      this.#startFetch(undefined);
    }
  }

  /** Waits for the end of the fetch; one that could not log in is begun again. */
  async #endOfFetch(): Promise<Ended> {
    for (;;) {
      const { program } = this.#run;
      const ended = await program.end();
      if (!isUnheard(program)) return ended;
      this.#unheard++;
      this.#startFetch(this.#run.left);
    }
  }

  /** Waits; false if the fetch ended before. */
  async #moment(moment: Kill["moment"]): Promise<boolean> {
    const { program, startedAtMs } = this.#run;
    const fromBytes = journalBytes(this.#home);
    // Header, and two records a piece: asked, verified.
    const wholeBytes = 128 + 16 * this.#pieces;
    const latestMs = performance.now() + momentMsMax;
    const isDue = "afterMs" in moment
      ? () => performance.now() >= startedAtMs + moment.afterMs
      : () => journalBytes(this.#home) >= fromBytes + moment.share * (wholeBytes - fromBytes);
    while (!isDue() && performance.now() < latestMs) {
      if (program.hasEnded) return false;
      await new Promise((wake) => setTimeout(wake, 1));
    }
    return !program.hasEnded;
  }

  async #kill({ kind, holders }: Kill): Promise<void> {
    this.#kills++;
    const { program } = this.#run;
    if (kind !== "holder") program.signal("SIGKILL");
    // A stopped one sends nothing more: its count is what it had sent when it was killed.
    for (const name of holders) this.#holders.get(name)!.program.signal("SIGSTOP");
    for (const name of holders) await this.#endHolder(name);
    for (const name of holders) this.#startHolder(name);
    if (kind === "holder") return;
    const ended = await program.end();
    if (ended.code === 0) {
      // It was faster than the signal.
      await this.#finishFile(ended);
      this.#startFetch(undefined);
      return;
    }
    this.#checkStart();
    const left = readJournal(this.#home);
    const lost = this.#run.left?.verified.difference(left?.verified ?? new Set());
    if (left === undefined && await isThere(fetchedPath(this.#stage, "bob", "big.bin"))) {
      // It was given its name, which the next run is to notice.
      this.#startFetch(undefined);
      return;
    }
    check((lost?.size ?? 0) === 0, `${lost?.size} pieces are verified no more`);
    const askedAgainBytes = left === undefined ? 0 : this.#bytesOf(left.asked.difference(left.verified));
    check(askedAgainBytes < lossBytesMax, `${askedAgainBytes} bytes have to be asked for again`);
    this.#askedAgainBytes.push(askedAgainBytes);
    this.#keptPieces += left?.verified.size ?? 0;
    this.#startFetch(left);
  }

  /** A SIGKILL takes nothing from the page cache: without waiting for the disk there is time for more rounds. */
  #startFetch(left: LeftJournal | undefined): void {
    const program = this.#stage.peer("bob", ["fetch", "big.bin", "--no-sync"]);
    this.#run = { program, startedAtMs: performance.now(), left };
  }

  /** The first that a run tells is what it has found: all that the journal called verified. */
  #checkStart(): void {
    const { program, left } = this.#run;
    const first = program.lines.find(({ type }) => type === "progress")?.["doneBytes"];
    const verifiedBytes = this.#bytesOf(left?.verified ?? new Set());
    check(
      first === undefined || first === verifiedBytes,
      `it went on from ${first} bytes, and ${verifiedBytes} were verified`,
    );
  }

  /** Looks at what a finished fetch says and at what it left, counts what was sent, and removes the file. */
  async #finishFile({ code, stdout, stderr, lines }: Ended): Promise<void> {
    const { fileBytes } = this.#options;
    const { left } = this.#run;
    const said = `; the fetch said: ${stdout}${stderr}`;
    check(code === 0, `it ended with ${code}${said}`);
    this.#checkStart();
    const fetched = lines.find(({ type }) => type === "fetched");
    const path = fetchedPath(this.#stage, "bob", "big.bin");
    const wantedBytes = fileBytes - this.#bytesOf(left?.verified ?? new Set());
    const againBytes = left === undefined ? 0 : this.#bytesOf(left.asked.difference(left.verified));
    if (!isNoticed(fetched)) {
      check(fetched?.["fetchedBytes"] === wantedBytes, `${wantedBytes} bytes were missing${said}`);
      check(fetched?.["refetchedBytes"] === againBytes, `${againBytes} bytes had to be asked for again${said}`);
    }
    check(await sha256(path) === this.#sourceHash, `other bytes arrived${said}`);
    const files = await listFiles(this.#stage.path("files-bob"));
    check(files.join() === "big.bin", `there is ${files.join()}${said}`);
    check(journalBytes(this.#home) === 0, `a journal is left${said}`);
    await this.#countSent();
    await Deno.remove(path);
    this.#files++;
    this.#kills = 0;
  }

  async #countSent(): Promise<void> {
    for (const holder of this.#holders.values()) await this.#count(holder);
    const twiceBytes = this.#sentBytes - this.#options.fileBytes;
    const maxBytes = this.#kills * lossBytesMax + endGameBytes;
    if (this.#isCounted) {
      check(twiceBytes < maxBytes, `after ${this.#kills} kills ${twiceBytes} bytes were sent twice`);
      check(twiceBytes > -countMissBytes, `the holders' reads do not tell what they sent: ${twiceBytes}`);
    }
    this.#sentTwiceBytes += twiceBytes;
    this.#sentBytes = 0;
  }

  /** The first holders share the file; what they have read by then every later one reads as well. */
  async #startFirst(): Promise<void> {
    // The first time they hash it.
    for (const name of holderNames) this.#startHolder(name);
    for (const name of holderNames) await this.#holders.get(name)!.program.ready();
    for (const name of holderNames) await this.#endHolder(name);
    for (const name of holderNames) this.#startHolder(name);
    for (const { program } of this.#holders.values()) await program.ready();
    const reads = await Promise.all([...this.#holders.values()].map(({ program }) => readBytes(program.pid)));
    this.#isCounted = !reads.includes(undefined);
    this.#startReadBytes = Math.max(...reads.map((bytes) => bytes ?? 0));
    for (const [i, holder] of [...this.#holders.values()].entries()) holder.countedBytes = reads[i] ?? 0;
    this.#sentBytes = 0;
  }

  #startHolder(name: HolderName): void {
    const program = this.#stage.peer(name, ["share", this.#source, "--limit-up", this.#options.limitUp]);
    const holder: Holder = { program, countedBytes: this.#startReadBytes, wasKilled: false };
    this.#holders.set(name, holder);
    this.#notePort(name, holder).catch((error) => {
      if (holder.wasKilled) return;
      if (!isUnheard(program) || ++this.#unheard > unheardMax) this.#failure ??= error;
      else this.#startHolder(name);
    });
  }

  async #notePort(name: HolderName, holder: Holder): Promise<void> {
    const port = await holder.program.ready();
    const before = this.#ports.get(name);
    this.#ports.set(name, port);
    if (before === undefined) return;
    this.#holdersBack++;
    if (before !== port) this.#portsChanged++;
  }

  /** Kills a holder that is stopped, so that its count is what it had sent. */
  async #endHolder(name: HolderName): Promise<void> {
    const holder = this.#holders.get(name)!;
    await this.#count(holder);
    holder.wasKilled = true;
    await holder.program.kill();
  }

  async #count(holder: Holder): Promise<void> {
    const bytes = await readBytes(holder.program.pid) ?? 0;
    // One that was killed while it started had read less.
    if (bytes <= holder.countedBytes) return;
    this.#sentBytes += bytes - holder.countedBytes;
    holder.countedBytes = bytes;
  }

  #bytesOf(pieces: ReadonlySet<number>): number {
    const last = this.#pieces - 1;
    const short = this.#pieces * pieceBytes - this.#options.fileBytes;
    return pieces.size * pieceBytes - (pieces.has(last) ? short : 0);
  }
}

/** Whether a fetch found the whole file: an earlier run was killed after it had given it its name. */
function isNoticed(fetched: Line | undefined): boolean {
  return fetched?.["fetchedBytes"] === 0;
}

/** Whether a program ended because the coordinator had no time for its login. */
function isUnheard({ hasEnded, lines }: Program): boolean {
  return hasEnded && lines.some(({ type, code }) => type === "error" && code === "unreachable");
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function check(holds: boolean, claim: string): void {
  if (!holds) throw new Error(claim);
}
