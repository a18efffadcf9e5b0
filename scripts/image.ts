/**
 * image: makes the coordinator's container image, behind `deno task image`, with buildah, podman or docker. Laws: 1) nothing is
 * fetched: the image is made from scratch;  2) one commit, runtime and builder make the same image: times are the commit's.  (I/O)
 *
 *     deno task image [--builder NAME] [--tag IMAGE] [--archive FILE] [--out DIR]
 *
 * The builder's own variables say where images are kept: STORAGE_DRIVER, CONTAINERS_STORAGE_CONF, DOCKER_HOST.
 */

import { parseArgs } from "@std/cli";
import { fromFileUrl, join, resolve } from "@std/path";
import { version } from "../lib/core/version.ts";
import { commitOf } from "./ship/bundle.ts";
import { makeContainerRoot } from "./ship/container_root.ts";

const builders = ["buildah", "podman", "docker"] as const;
type Builder = typeof builders[number];

const name = "shoal-coordinator";
const root = fromFileUrl(new URL("..", import.meta.url));

const help = `deno task image [options]

Makes the container image ${name}:${version} (and :latest) with ${builders.join(", ")}, whichever is there first.

Options:
  --builder NAME   the one to use
  --tag IMAGE      another name for the image, in place of the two
  --archive FILE   also write it to a file, for podman load or docker load
  --out DIR        where what goes into it is put together; dist/image unless told`;

/** Something the caller should read, not a fault of this script. */
class ImageError extends Error {}

interface Options {
  readonly builder: string | undefined;
  readonly tag: string | undefined;
  /** Absolute. */
  readonly archive: string | undefined;
  /** Absolute. */
  readonly out: string;
}

async function main(options: Options): Promise<void> {
  if (Deno.build.os !== "linux") {
    throw new ImageError(
      `Cannot make an image on ${Deno.build.os}: it holds this machine's runtime, and that is for Linux`,
    );
  }
  const builder = await findBuilder(options.builder);
  const commit = await commitOf();
  const timestamp = await timestampOf();
  const runtime = Deno.execPath();
  const sizes = await makeContainerRoot({ folder: options.out, runtime, commit, timestamp }).catch((error) => {
    throw new ImageError(`Cannot make an image: ${error.message}`);
  });
  const tags = options.tag === undefined ? [`${name}:${version}`, `${name}:latest`] : [options.tag];
  await run(builder, buildArgs(builder, { tags, timestamp, commit, folder: options.out }), {
    SOURCE_DATE_EPOCH: String(timestamp),
  });
  if (options.archive !== undefined) await save(builder, tags[0]!, options.archive);

  const total = sizes.runtime + sizes.libraries + sizes.bundle;
  const parts = [
    `runtime ${megabytes(sizes.runtime)}`,
    `its libraries ${megabytes(sizes.libraries)}`,
    `bundle ${megabytes(sizes.bundle)}`,
  ];
  console.log(`${tags.join(", ")}  ${megabytes(total)} MB (${parts.join(", ")}), made by ${builder}`);
  if (options.archive !== undefined) {
    console.log(`${options.archive}  ${megabytes((await Deno.stat(options.archive)).size)} MB`);
  }
}

/** @throws {ImageError} If there is none, or not the one that is wanted. */
async function findBuilder(wanted: string | undefined): Promise<Builder> {
  const choices = wanted === undefined ? builders : builders.filter((one) => one === wanted);
  for (const one of choices) {
    try {
      if ((await new Deno.Command(one, { args: ["--version"] }).output()).success) return one;
    } catch {
      // It is not installed; the next one may be.
    }
  }
  if (wanted !== undefined && choices.length === 0) {
    throw new ImageError(`Cannot build with ${wanted}: the builders are ${builders.join(", ")}`);
  }
  throw new ImageError(`Cannot build an image: ${choices.join(", ")}: none is installed`);
}

interface Build {
  readonly tags: readonly string[];
  readonly timestamp: number;
  readonly commit: string;
  /** The context. */
  readonly folder: string;
}

/** What makes a builder build; the format is Docker's, because OCI's own has no health checks. */
function buildArgs(builder: Builder, { tags, timestamp, commit, folder }: Build): string[] {
  const own = builder === "docker" ? [] : ["--format", "docker", "--timestamp", String(timestamp), "--layers=false"];
  return [
    ...["build", "--quiet", ...own, "--file", join(root, "scripts/ship/Containerfile")],
    ...["--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${commit}`],
    ...tags.flatMap((tag) => ["--tag", tag]),
    folder,
  ];
}

async function save(builder: Builder, tag: string, path: string): Promise<void> {
  // Neither writes over a file.
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  if (builder === "buildah") await run("buildah", ["push", "--quiet", tag, `docker-archive:${path}`]);
  else await run(builder, ["save", "--output", path, tag]);
}

/** The time that the image shows: SOURCE_DATE_EPOCH (reproducible-builds.org), else the commit's, else 1970. */
async function timestampOf(): Promise<number> {
  const told = Deno.env.get("SOURCE_DATE_EPOCH");
  if (told !== undefined && /^\d+$/.test(told)) return Number(told);
  try {
    const { success, stdout } = await new Deno.Command("git", { args: ["log", "-1", "--format=%ct"], cwd: root })
      .output();
    return success ? Number(new TextDecoder().decode(stdout)) : 0;
  } catch {
    return 0; // No git here.
  }
}

/** @throws {ImageError} If it fails, with what it said. */
async function run(command: Builder, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args], env, stdin: "null" }).output();
  if (!success) throw new ImageError(`${command} ${args[0]} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function readOptions(args: readonly string[]): Options | undefined {
  const unknown: string[] = [];
  const { builder, tag, archive, out, help } = parseArgs([...args], {
    string: ["builder", "tag", "archive", "out"],
    boolean: ["help"],
    default: { out: join(root, "dist/image") },
    unknown: (arg) => void unknown.push(arg),
  });
  if (help) return undefined;
  if (unknown.length > 0) throw new ImageError(`Cannot read ${unknown[0]}; --help tells the options`);
  if ([builder, tag, archive, out].includes("")) {
    throw new ImageError("An option lacks its value; --help tells the options");
  }
  return { builder, tag, archive: archive === undefined ? undefined : resolve(archive), out: resolve(out) };
}

if (import.meta.main) {
  try {
    const options = readOptions(Deno.args);
    if (options === undefined) console.log(help);
    else await main(options);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    console.error(`error: ${error.message}`);
    Deno.exit(1);
  }
}
