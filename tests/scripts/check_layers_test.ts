import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { checkLayers, layers } from "../../scripts/check_layers.ts";

function messages(file: string, source: string): string[] {
  return checkLayers(file, source).map(({ line, message }) => `${line}: ${message}`);
}

Deno.test("checkLayers() grants what the table grants", () => {
  const granted: [string, string][] = [
    ["lib/wire/frame.ts", 'import "./cbor.ts"; import "../core/bytes.ts"; import "valibot"; import "node:buffer";'],
    ["lib/coordinator/store/sqlite.ts", 'import "../role/types.ts"; import "../driver.ts"; import "node:sqlite";'],
    ["lib/coordinator/role/presence.ts", 'import "../../session/proofs.ts"; import "./catalog.ts";'],
    ["lib/cli/flags.ts", 'import "@std/cli/parse-args"; import "../peer/home.ts";'],
    ["lib/std/path/mod.ts", 'import "node:path";'],
  ];
  for (const [file, source] of granted) assertEquals(messages(file, source), [], file);
});

Deno.test("checkLayers() finds an import against the direction, with its line", () => {
  assertEquals(checkLayers("lib/core/ids.ts", '\nimport type { A } from "../wire/frame.ts";'), [{
    file: "lib/core/ids.ts",
    line: 2,
    message: "lib/core may not import lib/wire (lib/wire/frame.ts)",
  }]);
  assertEquals(messages("lib/coordinator/role/presence.ts", 'import "../store/sqlite.ts";'), [
    "1: lib/coordinator/role may not import lib/coordinator (lib/coordinator/store/sqlite.ts)",
  ]);
  assertEquals(messages("lib/transfer/upload.ts", 'await import("../peer/home.ts");'), [
    "1: lib/transfer may not import lib/peer (lib/peer/home.ts)",
  ]);
});

Deno.test("checkLayers() finds a package that the folder may not use", () => {
  assertEquals(messages("lib/wire/frame.ts", 'import "node:net"; import "@std/path";\nimport "valibot-extra";'), [
    "1: lib/wire may not import node:net",
    "1: lib/wire may not import @std/path",
    "2: lib/wire may not import valibot-extra",
  ]);
});

Deno.test("checkLayers() finds an import by address, out of lib, and one that it cannot read", () => {
  const source = 'import "npm:cborg@6"; import "../../scripts/demo.ts"; import(name);';
  assertEquals(messages("lib/wire/frame.ts", source), [
    "1: imports npm:cborg@6: name the package as deno.json does",
    "1: lib/wire imports scripts/demo.ts, which is outside lib's layers",
    "1: imports what only the running program could tell: name the module",
  ]);
});

Deno.test("checkLayers() finds a folder that has no row", () => {
  assertEquals(messages("lib/utils/all.ts", ""), ["1: is in no folder that scripts/check_layers.ts lists"]);
});

Deno.test("the table of layers has no circle", () => {
  const above = (folder: string, seen: readonly string[]): void => {
    assertEquals(seen.includes(folder), false, [...seen, folder].join(" → "));
    for (const next of layers[folder]!.lib) above(next, [...seen, folder]);
  };
  for (const folder of Object.keys(layers)) above(folder, []);
});

Deno.test("check_layers prints violations as file:line: message and exits with 1", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (const folder of ["scripts", "lib/core", "lib/std"]) await Deno.mkdir(`${root}/${folder}`, { recursive: true });
    const project = fromFileUrl(import.meta.resolve("../../"));
    for (const name of ["imports.ts", "check_layers.ts"]) {
      await Deno.copyFile(`${project}scripts/${name}`, `${root}/scripts/${name}`);
    }
    await Deno.writeTextFile(`${root}/lib/core/a.ts`, '\nimport "../wire/b.ts";\n');
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-q",
        "--no-prompt",
        `--config=${project}deno.json`,
        `--allow-read=${root}`,
        "scripts/check_layers.ts",
      ],
      cwd: root,
    }).output();
    assertEquals(code, 1);
    assertMatch(new TextDecoder().decode(stdout), /^lib\/core\/a\.ts:2: lib\/core may not import lib\/wire/);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
