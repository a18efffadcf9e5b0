/** The systemd units: what systemd says to them, and whether they ask the programs for what these have. */

import { assert, assertEquals } from "@std/assert";
import { allPeerFlags, readInvocation } from "../../lib/cli/config.ts";
import { commonFlags, envName } from "../../lib/cli/flags.ts";
import { readServeConfig, serveFlags } from "../../lib/coordinator/config.ts";
import { errorCodes } from "../../lib/core/errors.ts";

const names = ["shoal-coordinator", "shoal-peer"] as const;
type UnitName = typeof names[number];
const units = Object.fromEntries(
  names.map((name) => [
    name,
    Deno.readTextFileSync(new URL(`../../scripts/ship/${name}.service`, import.meta.url)),
  ]),
) as Record<UnitName, string>;
const flags = { "shoal-coordinator": serveFlags, "shoal-peer": allPeerFlags } as const;

/** The values that a unit gives to a setting, in order. */
function settings(name: UnitName, key: string): string[] {
  return [...units[name].matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value]) => value!);
}

/** Runs systemd-analyze on a copy of a unit whose program is there; undefined where there is no systemd-analyze. */
async function analyze(name: UnitName, ...args: readonly string[]) {
  const folder = await Deno.makeTempDir({ prefix: "shoal-units-" });
  try {
    const path = `${folder}/${name}.service`;
    await Deno.writeTextFile(path, units[name].replace(`ExecStart=/usr/local/bin/${name} `, "ExecStart=/bin/sh "));
    const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", {
      args: [...args, path],
      // Where a user's service manager finds its own units: there are none.
      env: { XDG_RUNTIME_DIR: folder, HOME: folder },
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, said: out! + err! };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const isThere = await analyze("shoal-coordinator", "--version") !== undefined;
if (!isThere) console.log("skipped: units_test needs systemd-analyze");

Deno.test({
  name: "systemd-analyze verify has nothing to say about the units",
  ignore: !isThere,
  async fn() {
    const verify = ["verify", "--recursive-errors=no"];
    assertEquals(await analyze("shoal-coordinator", ...verify), { code: 0, said: "" });
    assertEquals(await analyze("shoal-peer", "--user", ...verify), { code: 0, said: "" });
  },
});

Deno.test({
  name: "the coordinator's unit is as closed as a program can be that needs the network and writes machine code",
  ignore: !isThere,
  async fn() {
    // In tenths: systemd-analyze gives 1.3, and 9.6 to a unit without any of it.
    const security = ["security", "--offline=true", "--threshold=15", "--no-pager"];
    const { code, said } = (await analyze("shoal-coordinator", ...security))!;
    assertEquals(code, 0, said.split("\n").filter((line) => !line.includes("✓")).join("\n"));
  },
});

Deno.test("the units start the programs with a command line that they take", () => {
  assertEquals(settings("shoal-coordinator", "ExecStart"), ["/usr/local/bin/shoal-coordinator ${SHOAL_PORT}"]);
  const [, port, host] = /^SHOAL_PORT=(\d+) SHOAL_HOST=(\S+)$/.exec(settings("shoal-coordinator", "Environment")[0]!)!;
  const none = { credentials: undefined, quiet: false, verbose: false };
  const { listen } = readServeConfig(
    port!,
    { ...none, data: "/", host: host!, "keep-alive": serveFlags["keep-alive"].default, "log-format": "text" },
    { env: () => undefined, cwd: "/" },
  );
  assertEquals(listen, { ip: "0.0.0.0", port: 5000 });

  const [line] = settings("shoal-peer", "ExecStart");
  const words = line!.replace("${SHOAL_COORDINATOR}", "localhost:5000").split(" ");
  assertEquals(words.shift(), "/usr/local/bin/shoal-peer");
  const read = readInvocation(words, {
    env: (variable) => variable === "HOME" ? "/home/ada" : undefined,
    cwd: "/",
    readText: () => undefined,
  });
  assert(read.kind === "run");
  assertEquals(read.config.command, { command: "serve" });
});

Deno.test("every variable that a unit names is a program's option or stands in its command line", () => {
  for (const name of names) {
    const known = [...Object.keys(flags[name]), ...Object.keys(commonFlags)].map(envName);
    const used = [...units[name].matchAll(/\bSHOAL_[A-Z_]+(?==)/g)].map(([variable]) => variable);
    const isUsed = (variable: string) => settings(name, "ExecStart")[0]!.includes(`\${${variable}}`);
    assertEquals(used.filter((variable) => !known.includes(variable) && !isUsed(variable)), [], name);
  }
});

Deno.test("a service comes back after all that may pass by itself", () => {
  const mayPass = [
    "unreachable",
    "timeout",
    "busy",
    "tooManyTries",
    "sessionEnded",
    "diskFull",
    "exists",
    "io",
    "unknown",
  ] as const;
  for (const name of names) {
    const final = settings(name, "RestartPreventExitStatus")[0]!.split(" ").map(Number);
    assertEquals(mayPass.filter((code) => final.includes(errorCodes[code].exit)), [], name);
    assert(final.includes(errorCodes.usage.exit), name);
  }
});
