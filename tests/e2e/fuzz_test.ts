/** The short form of `deno task fuzz`: hostile datagrams and connections against running programs that honest peers use meanwhile. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Program } from "../../scripts/programs.ts";

const fuzz = ["run", "-q", "--no-prompt", "-P=scripts", "scripts/fuzz.ts"];

Deno.test("a coordinator takes 30,000 hostile datagrams and serves honest peers throughout", async () => {
  await using program = new Program([...fuzz, "--count", "30000", "--connections", "0"]);
  const { code, stdout, stderr } = await program.end();
  assertEquals(code, 0, stdout + stderr);
  assertMatch(stdout, /honest peers: \d{2,} questions, each answered rightly/);
  assertStringIncludes(stdout, "decodeMessage: 3000 inputs");
});

Deno.test("a holder and an admin address take 300 connections of junk, and serve who is honest", async () => {
  await using program = new Program([...fuzz, "--count", "0", "--connections", "300"]);
  const { code, stdout, stderr } = await program.end();
  assertEquals(code, 0, stdout + stderr);
  assertMatch(stdout, /honest meanwhile: \d+ fetches and \d+ pages, each as it should be/);
});
