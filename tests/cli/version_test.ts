import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatVersion } from "../../lib/cli/version.ts";
import { commit, protocolVersion, version } from "../../lib/core/version.ts";
import { programArgs } from "../../scripts/programs.ts";

const facts = { program: "peer", protocol: 7, deno: "2.9.6", target: "x86_64-unknown-linux-gnu" } as const;

Deno.test("formatVersion() tells program, release, protocol, commit, runtime and target in one line", () => {
  assertEquals(commit, undefined, "a source tree knows no commit");
  assertEquals(
    formatVersion(facts, false),
    `peer ${version} (protocol 7, from a source tree, Deno 2.9.6, x86_64-unknown-linux-gnu)`,
  );
});

Deno.test("formatVersion() tells scripts the same in one object", () => {
  assertEquals(JSON.parse(formatVersion(facts, true)), { type: "version", v: 1, version, commit: null, ...facts });
});

Deno.test("lib/core/version.ts has the mark that a build writes the commit into, once", async () => {
  const text = await Deno.readTextFile(new URL("../../lib/core/version.ts", import.meta.url));
  assertEquals(text.split('"@commit@"').length, 2);
});

Deno.test("both programs answer --version with their protocol and runtime, whatever else the command line says", async () => {
  await Promise.all((["coordinator", "peer"] as const).map(async (program) => {
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [...programArgs(program), ...args],
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    const told = JSON.parse(await run("--json", "--version", "5000"));
    const { build: { target }, version: { deno } } = Deno;
    assertEquals(told, {
      type: "version",
      v: 1,
      program,
      version,
      protocol: protocolVersion,
      commit: null,
      deno,
      target,
    });
    assertStringIncludes(await run("--version"), `${program} ${version} (protocol ${protocolVersion}, `);
  }));
});
