/**
 * real_postgres: the machine's own PostgreSQL server in a temporary folder, on a socket of its own in there. Laws: 1) root starts it as
 * `postgres` or `nobody`, as the server demands;  2) it syncs what it commits;  3) it is ended by its own process id.
 */

import { join } from "@std/path";

export interface RealPostgres extends AsyncDisposable {
  /** Makes an empty database; its URL. */
  createDatabase(options?: string): Promise<string>;
  /** The URL here of a database that was made at another server, of whose data this one has a copy. */
  urlOf(url: string): string;
  /** Ends the server at once, as a loss of power would: what was committed is recovered, what is unlogged is gone. */
  crash(): Promise<void>;
  /** Ends the server's connections and the server. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Where the server's programs are; undefined where they are not. */
export const postgresBinaries = findBinaries();
if (postgresBinaries === undefined) {
  console.log("skipped: tests with PostgreSQL need initdb and postgres in /usr/lib/postgresql/*/bin (postgresql)");
}

/**
 * Starts a server; to be asked for only where there are binaries. It takes about two seconds.
 * @param disk Where its data are to be, or are already; else in a temporary folder.
 */
export async function startPostgres(disk?: string): Promise<RealPostgres> {
  const folder = await Deno.makeTempDir({ prefix: "shoal-postgres-" });
  try {
    const user = await serverUser();
    const data = join(disk ?? folder, "data");
    const isNew = !isThere(data);
    if (isNew) await Deno.mkdir(data, { mode: 0o700 });
    if (user !== undefined) { for (const path of [folder, data]) await Deno.chown(path, user.uid, user.gid); }
    const server = new Server(folder, data, user);
    if (isNew) await server.make();
    await server.start();
    return server;
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

class Server implements RealPostgres {
  /** Of its socket. */
  readonly #folder: string;
  readonly #data: string;
  readonly #user: User | undefined;
  #process: Deno.ChildProcess | undefined;
  #databases = 0;

  constructor(folder: string, data: string, user: User | undefined) {
    this.#folder = folder;
    this.#data = data;
    this.#user = user;
  }

  async make(): Promise<void> {
    const flags = ["--auth=trust", "--username=shoal", "--encoding=UTF8", "--locale=C.UTF-8", "--wal-segsize=4"];
    await this.#run("initdb", "--pgdata", this.#data, "--no-instructions", ...flags);
  }

  async start(): Promise<void> {
    const args = ["-D", this.#data, "-k", this.#folder, "-c", "listen_addresses=", "-c", "max_connections=50"];
    // Its log goes to a file: a pipe would be read while tests end and begin.
    const script = 'log=$1; shift; exec "$@" 2>"$log"';
    const postgres = join(postgresBinaries!, "postgres");
    const child = this.#command("/bin/sh", ["-c", script, "sh", this.#log, postgres, ...args, "-c", "fsync=on"], "null")
      .spawn();
    this.#process = child;
    const ended = child.status.then(() => "ended" as const);
    while (await Promise.race([this.#isReady(), ended]) !== true) {
      const isOver = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]) === "ended";
      if (isOver) throw new Error(`the server ended: ${await Deno.readTextFile(this.#log)}`);
    }
  }

  async createDatabase(options = ""): Promise<string> {
    const name = `shoal${++this.#databases}`;
    await this.#run("psql", ...this.#connection(), "-c", `CREATE DATABASE ${name} ${options}`, "postgres");
    return this.#url(name);
  }

  urlOf(url: string): string {
    return this.#url(new URL(url).pathname.slice(1));
  }

  stop(): Promise<void> {
    return this.#end("SIGINT");
  }

  crash(): Promise<void> {
    return this.#end("SIGQUIT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #end(signal: "SIGINT" | "SIGQUIT"): Promise<void> {
    if (this.#process === undefined) return;
    this.#process.kill(signal);
    await this.#process.status;
    this.#process = undefined;
  }

  #url(database: string): string {
    return `postgres://shoal@${encodeURIComponent(this.#folder)}/${database}`;
  }

  #connection(): string[] {
    return ["-X", "-q", "-h", this.#folder, "-U", "shoal"];
  }

  get #log(): string {
    return join(this.#folder, "log");
  }

  async #isReady(): Promise<boolean> {
    const { success } = await this.#command(join(postgresBinaries!, "pg_isready"), ["-q", "-h", this.#folder], "null")
      .output();
    return success;
  }

  async #run(program: string, ...args: string[]): Promise<void> {
    const { success, stderr } = await this.#command(join(postgresBinaries!, program), args, "piped").output();
    if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
  }

  #command(path: string, args: readonly string[], stderr: "piped" | "null"): Deno.Command {
    const env = { LC_ALL: "C.UTF-8" };
    if (this.#user === undefined) return new Deno.Command(path, { args: [...args], env, stdout: "null", stderr });
    const { uid, gid } = this.#user;
    const asUser = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--", path, ...args];
    return new Deno.Command("setpriv", { args: asUser, cwd: "/", env, stdout: "null", stderr });
  }
}

/** Who runs the server where root may not. */
async function serverUser(): Promise<User | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const users = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  const found = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody");
  if (found === undefined) throw new Error("there is neither a user postgres nor nobody");
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

function findBinaries(): string | undefined {
  const base = "/usr/lib/postgresql";
  try {
    const versions = [...Deno.readDirSync(base)].map(({ name }) => name).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(base, version, "bin")).find((bin) =>
      ["initdb", "postgres", "psql"].every((program) => isThere(join(bin, program)))
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
