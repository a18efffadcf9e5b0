/** The coordinator's image, as far as it can be told without building it: tests/e2e/container_test.ts builds and runs it. */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { runArgs, runEnv } from "../../scripts/ship/bundle.ts";
import { imageFolder, parseLdd } from "../../scripts/ship/container_root.ts";
import { serveFlags } from "../../lib/coordinator/config.ts";
import { envName, envNames } from "../../lib/cli/flags.ts";
import { Program } from "../../scripts/programs.ts";
import { temporaryFolder } from "../coordinator/temporary_folder.ts";

const containerfile = await Deno.readTextFile(new URL("../../scripts/ship/Containerfile", import.meta.url));
const compose = await Deno.readTextFile(new URL("../../scripts/ship/compose.yaml", import.meta.url));

Deno.test("the image runs the bundle as the executables do, and its health check runs it too", () => {
  const command = [`${imageFolder}/deno`, ...runArgs("coordinator", imageFolder)];
  assertEquals(JSON.parse(/^ENTRYPOINT (.+)$/m.exec(containerfile)![1]!), command);
  assertEquals(JSON.parse(/^HEALTHCHECK (?:.+\\\n)* +CMD (.+)$/m.exec(containerfile)![1]!), [...command, "health"]);
  for (const [name, value] of Object.entries(runEnv)) assertStringIncludes(containerfile, `${name}=${value}`);
});

Deno.test("what the image and its compose file set is what the coordinator reads", () => {
  const known = Object.entries(serveFlags).flatMap(([name, spec]) => envNames(name, spec));
  const set = [...`${containerfile}${compose}`.matchAll(/\bSHOAL_[A-Z_]+/g)].map(([name]) => name);
  assertEquals(set.filter((name) => !known.includes(name)), []);
  assertEquals(set.includes(envName("data")) && set.includes("SHOAL_CREDENTIALS_FILE"), true);
});

Deno.test("parseLdd() finds the libraries and their loader, and says what is missing", () => {
  const text = `	linux-vdso.so.1 (0x00007fafca311000)
	libdl.so.2 => /lib/x86_64-linux-gnu/libdl.so.2 (0x00007fafca2fb000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fafc421e000)
	/lib64/ld-linux-x86-64.so.2 (0x00007fafca313000)
`;
  assertEquals(parseLdd(text), [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/x86_64-linux-gnu/libdl.so.2",
    "/lib64/ld-linux-x86-64.so.2",
  ]);
  assertThrows(() => parseLdd(`${text}	libgcc_s.so.1 => not found\n`), Error, "no libgcc_s.so.1");
  assertThrows(() => parseLdd("	/lib/ld-musl-x86_64.so.1 (0x7f00)\n"), Error, "musl");
  assertThrows(() => parseLdd("	statically linked\n"), Error, "statically linked");
});

Deno.test("task image says in one line what it cannot do", async () => {
  using folder = temporaryFolder();
  const image = async (...args: string[]) => {
    const options = { env: { PATH: folder.path } };
    await using program = new Program(["run", "-q", "--no-prompt", "-P=scripts", "scripts/image.ts", ...args], options);
    const { code, stderr } = await program.end();
    return [code, stderr.trim()];
  };
  assertEquals(await image(), [1, "error: Cannot build an image: buildah, podman, docker: none is installed"]);
  assertEquals(await image("--builder", "docker"), [1, "error: Cannot build an image: docker: none is installed"]);
  assertEquals(await image("--builder", "kaniko"), [
    1,
    "error: Cannot build with kaniko: the builders are buildah, podman, docker",
  ]);
  assertEquals(await image("--bilder", "x"), [1, "error: Cannot read --bilder; --help tells the options"]);
});
