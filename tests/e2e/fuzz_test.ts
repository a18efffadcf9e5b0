/** The short form of `deno task fuzz`: hostile datagrams against a running coordinator that honest peers use meanwhile. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Program } from "../../scripts/programs.ts";

const fuzz = ["run", "-q", "--no-prompt", "-P=scripts", "scripts/fuzz.ts"];

Deno.test("a coordinator takes 30,000 hostile datagrams and serves honest peers throughout", async () => {
  await using program = new Program([...fuzz, "--count", "30000"]);
  const { code, stdout, stderr } = await program.end();
  assertEquals(code, 0, stdout + stderr);
  assertMatch(stdout, /honest peers: \d{3,} questions, each answered rightly/);
  assertStringIncludes(stdout, "decodeMessage: 3000 inputs");
});
