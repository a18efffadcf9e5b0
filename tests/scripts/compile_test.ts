import { assert, assertEquals, assertStringIncludes } from "@std/assert";

/** Runs the script without a network to ask: where it must not try `deno compile`, a base binary or a runtime is given. */
async function compile(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const out = await Deno.makeTempDir({ prefix: "shoal-compile-" });
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-P=scripts", "--no-prompt", "scripts/compile.ts", "--out", out, ...args],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
    }).output();
    return { code, said: new TextDecoder().decode(stderr), files: [...Deno.readDirSync(out)].map(({ name }) => name) };
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

Deno.test("compile.ts refuses what it does not know, and a target it cannot serve", async () => {
  for (
    const [args, part] of [
      [["--taget", "x"], "Cannot read --taget"],
      [["peer"], "Cannot read peer"],
      [
        ["--runtime", Deno.execPath(), "--target", "x86_64-pc-windows-msvc"],
        "Cannot make executables for x86_64-pc-windows-msvc",
      ],
      [["--runtime", "/nonexistent/deno"], "Cannot read /nonexistent/deno"],
    ] as const
  ) {
    const { code, said } = await compile(args);
    assertEquals(code, 1, said);
    assert(said.startsWith("error: ") && !said.includes("    at "), said);
    assertStringIncludes(said, part);
  }
});

Deno.test("compile.ts uses the base binary of DENORT_BIN, and notices if that makes something else", async () => {
  const { code, said, files } = await compile([], { DENORT_BIN: Deno.execPath() });
  assertEquals(code, 1, said);
  assertStringIncludes(said, "shoal-coordinator does not run: --version printed");
  assertStringIncludes(said, "deno 2.");
  assertEquals(files, ["bundle"]);
});
