import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parseImports } from "../../scripts/imports.ts";
import { workers } from "../../scripts/ship/bundle.ts";
import { licensesOf } from "../../scripts/ship/licenses.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

Deno.test("every worker that a module starts is bundled with the programs that reach it", async () => {
  for (const program of ["coordinator", "peer"] as const) {
    const started = await workersReachedFrom(`${program}.ts`);
    assertEquals(started, [...workers[program]], program);
  }
});

/** The modules that some module named by `new URL` starts, in what a program imports. */
async function workersReachedFrom(program: string): Promise<string[]> {
  const seen = new Set<string>();
  const started = new Set<string>();
  const visit = async (path: string): Promise<void> => {
    if (seen.has(path)) return;
    seen.add(path);
    const source = await Deno.readTextFile(join(root, path));
    for (const [, name] of source.matchAll(/startWorker\(new URL\("(.+?)", import\.meta\.url\)\)/g)) {
      started.add(join(path, "..", name!));
    }
    assert(!/new Worker\(/.test(source) || path === "lib/core/worker.ts", `${path} starts a worker by itself`);
    for (const { specifier } of parseImports(source)) {
      if (specifier?.startsWith(".") && specifier.endsWith(".ts")) await visit(join(path, "..", specifier));
    }
  };
  await visit(program);
  return [...started];
}

Deno.test("licensesOf() tells the licences of what is reached, and of nothing else; one that has none is refused", async () => {
  const folder = await Deno.makeTempDir();
  await using _folder = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const pack = async (name: string, license: string | undefined, text: string | undefined, dependencies: string[]) => {
    const localPath = join(folder, name);
    await Deno.mkdir(localPath);
    await Deno.writeTextFile(join(localPath, "package.json"), JSON.stringify({ name, license }));
    if (text !== undefined) await Deno.writeTextFile(join(localPath, "License.md"), text);
    return { name, version: "1.0.0", dependencies, localPath };
  };
  const npmPackages = {
    a: await pack("a", "MIT", "the words of a", ["b"]),
    b: await pack("b", undefined, "the words of b", []),
    c: await pack("c", "MIT", "the words of c", []),
    d: await pack("d", undefined, undefined, []),
  };
  const told = await licensesOf(JSON.stringify({ modules: [{}, { npmPackage: "a" }], npmPackages }), root);
  for (
    const part of ["MIT License", "Shoal contributors", "a 1.0.0: MIT\n\nthe words of a", "the words of b", "Deno"]
  ) {
    assertStringIncludes(told, part);
  }
  assert(!told.includes("the words of c"), told);
  const none = JSON.stringify({ modules: [{ npmPackage: "d" }], npmPackages });
  await assertRejects(() => licensesOf(none, root), Error, "d 1.0.0 tells no licence");
});
