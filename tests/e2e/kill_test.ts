/** The short form of `deno task kills`: a fetch, its holders, or all of them killed at random moments, and started again. */

import { assertEquals, assertMatch } from "@std/assert";
import { Program } from "../../scripts/programs.ts";

const rounds = 40;
const kills = ["run", "-q", "--no-prompt", "-P=scripts", "scripts/kills.ts", String(rounds)];

Deno.test(`${rounds} kills of a fetcher and its two holders lose no verified piece, and every file comes whole`, async () => {
  await using program = new Program(kills);
  const { code, stdout, stderr } = await program.end();
  assertEquals(code, 0, stdout + stderr);
  const [, fetcher, holder, both] = /the fetcher (\d+) times, a holder (\d+), both (\d+)/.exec(stdout) ?? [];
  assertEquals(Number(fetcher) + Number(holder) + Number(both), rounds, stdout);
  assertMatch(stdout, /files that came whole: [1-9]/);
  assertMatch(stdout, /on another port: [1-9]/);
  assertMatch(stdout, /were not fetched again: [1-9]/);
});
