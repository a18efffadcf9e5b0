import { assert, assertEquals } from "@std/assert";
import { formatCounts, parseFailures, parseResult, planRuns } from "../../scripts/test.ts";

Deno.test("parseResult() reads what deno test prints last, coloured or not", () => {
  const table: [string, ReturnType<typeof parseResult>][] = [
    ["\nok | 37 passed | 0 failed (550ms)\n\n", { passed: 37, failed: 0, skipped: 0 }],
    [
      "FAILED | 2 passed (3 steps) | 1 failed (1 step) | 1 ignored | 4 filtered out (23ms)",
      { passed: 2, failed: 1, skipped: 1 },
    ],
    [
      "\x1b[0m\x1b[32mok\x1b[0m | 1 passed | 0 failed | 2 ignored (1 step) \x1b[0m\x1b[38;5;245m(1s)\x1b[0m",
      { passed: 1, failed: 0, skipped: 2 },
    ],
    ["ok | 9 passed | 0 failed (1ms)\nmore\nok | 1 passed | 0 failed (1ms)\n", { passed: 1, failed: 0, skipped: 0 }],
    ["error: Module not found", undefined],
    ["a test said: ok | 9 passed | 0 failed", undefined],
  ];
  for (const [output, counts] of table) assertEquals(parseResult(output), counts, output);
});

Deno.test("parseResult() and parseFailures() agree with a run of deno test", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${folder}/a_test.ts`,
      `Deno.test("a", async (t) => { await t.step("b", () => {}); });
       Deno.test("c", () => { throw new Error(); });
       Deno.test.ignore("d", () => {});`,
    );
    await Deno.writeTextFile(`${folder}/broken_test.ts`, "throw new Error();");
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-q", "--no-config", "--no-lock", "--no-check", folder],
      stderr: "null",
    }).output();
    const output = new TextDecoder().decode(stdout);
    assertEquals(parseResult(output), { passed: 1, failed: 2, skipped: 1 });
    const failures = parseFailures(output);
    assert(failures.includes("c => ") && failures.includes("broken_test.ts"), failures);
    assertEquals(parseFailures(output.replaceAll("FAILED", "ok")), "");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("formatCounts() names the skipped only if there are some", () => {
  assertEquals(formatCounts({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  assertEquals(formatCounts({ passed: 3, failed: 1, skipped: 2 }), "3 passed, 1 failed, 2 skipped");
});

Deno.test("planRuns() keeps serial folders out of the parallel run", () => {
  const serial = ["tests/e2e", "tests/netlab"];
  const parallel = (...paths: string[]) => ["--parallel", "--ignore=tests/e2e", "--ignore=tests/netlab", ...paths];
  const table: [string[], string[][]][] = [
    [[], [parallel("tests"), ["tests/e2e", "tests/netlab"]]],
    [["./tests/"], [parallel("tests"), ["tests/e2e", "tests/netlab"]]],
    [["tests/wire", "tests/core/a_test.ts"], [parallel("tests/wire", "tests/core/a_test.ts")]],
    [["tests/e2e/a_test.ts"], [["tests/e2e/a_test.ts"]]],
    [["tests/e2e", "tests/wire"], [parallel("tests/wire"), ["tests/e2e"]]],
    [["tests/e2e_notes_test.ts"], [parallel("tests/e2e_notes_test.ts")]],
    [["--filter", "cut", "tests/wire"], [["--filter=cut", ...parallel("tests/wire")]]],
    [["--fail-fast"], [["--fail-fast", ...parallel("tests")], ["--fail-fast", "tests/e2e", "tests/netlab"]]],
  ];
  for (const [args, runs] of table) assertEquals(planRuns(args, serial), runs, args.join(" "));
});

Deno.test("planRuns() makes one run where there are no serial folders", () => {
  assertEquals(planRuns([], []), [["--parallel", "tests"]]);
});
