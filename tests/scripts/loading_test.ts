/**
 * What a module loads before its first line runs. Packages and Node's modules cost tens of milliseconds and megabytes each: a command
 * pays for those that it uses.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

const root = new URL("../../", import.meta.url);

/** The part of `deno info --json` that is used here. */
interface Info {
  readonly roots: readonly string[];
  readonly redirects: Readonly<Record<string, string>>;
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

/** The packages and Node's modules that are loaded with a module; not those that it imports when it needs them. */
async function loadedWith(module: string): Promise<readonly string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", module],
    cwd: fromFileUrl(root),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { roots, modules, redirects } = JSON.parse(new TextDecoder().decode(stdout)) as Info;
  const dependencies = new Map(modules.map((one) => [one.specifier, one.dependencies ?? []]));
  const loaded = new Set(roots);
  for (const from of loaded) {
    for (const { code, isDynamic } of dependencies.get(redirects[from] ?? from) ?? []) {
      if (code?.specifier !== undefined && isDynamic !== true) loaded.add(code.specifier);
    }
  }
  return [...loaded].flatMap((one) => /^(?:npm:)(.+)@|^(node:.+)/.exec(one)?.slice(1).filter(Boolean) ?? []).sort();
}

Deno.test("loading: the programs read their command line with no package and with texts and paths of Node alone", async () => {
  const light = new Set(["node:path", "node:url", "node:util"]);
  for (const program of ["coordinator.ts", "peer.ts"]) {
    const loaded = await loadedWith(program);
    assertEquals(loaded.filter((name) => !light.has(name)), [], program);
    assert(loaded.includes("node:path"), `${program}: what it loads was not seen`);
  }
});

const lateEverywhere = [
  ...["@peculiar/x509", "@serenity-kit/opaque", "reflect-metadata", "string-width", "unhomoglyph", "node:readline"],
];

interface Way {
  readonly way: string;
  readonly module: string;
  /** What it does load: shows that packages are seen at all. */
  readonly uses?: readonly string[];
  readonly late: readonly string[];
}

const ways: readonly Way[] = [
  {
    way: "a coordinator that serves",
    module: "lib/coordinator/coordinator.ts",
    uses: ["node:crypto"],
    late: ["cborg"],
  },
  { way: "its role", module: "lib/coordinator/role/role.ts", uses: ["node:crypto"], late: ["cborg"] },
  {
    way: "its store's thread",
    module: "lib/coordinator/store/store_worker.ts",
    uses: ["node:sqlite"],
    late: ["cborg", "postgres", "valibot"],
  },
  { way: "its accounts' commands", module: "lib/coordinator/user_command.ts", late: ["cborg", "valibot"] },
  { way: "a peer", module: "lib/peer/peer.ts", uses: ["valibot"], late: ["cborg"] },
  {
    way: "the thread that proves a password",
    module: "lib/peer/password_worker.ts",
    late: ["cborg", "node:buffer", "node:crypto"],
  },
  { way: "a command that goes through a peer", module: "lib/peer/take_home.ts", late: ["cborg", "node:sqlite"] },
  { way: "commands as JSON", module: "lib/cli/one_shot.ts", late: ["cborg", "node:process"] },
  { way: "commands from a pipe", module: "lib/cli/script.ts", late: ["cborg", "node:process"] },
];

for (const { way, module, uses = [], late } of ways) {
  Deno.test(`loading: ${way} starts without what it may never need`, async () => {
    const loaded = await loadedWith(module);
    assertEquals(uses.filter((name) => !loaded.includes(name)), [], module);
    assertEquals([...lateEverywhere, ...late].filter((name) => loaded.includes(name)), [], module);
  });
}
