import { assertEquals } from "@std/assert";
import { newerSchema, otherVersions } from "../../lib/core/errors.ts";

Deno.test("otherVersions() says who speaks what, and tells to update the older side", () => {
  for (
    const [theirs, hint] of [
      [[4], "Update this peer"],
      [[4, 5], "Update this peer"],
      [[1, 2], "Update the coordinator"],
      [[2, 4], "Use programs of one release"],
    ] as const
  ) {
    const error = otherVersions("log in", "the coordinator", theirs, 3);
    const text = `Cannot log in: the coordinator speaks protocol ${theirs.join(", ")} and this peer speaks 3`;
    assertEquals([error.message, error.hint, error.code, error.exitCode], [text, hint, "version", 5]);
  }
});

Deno.test("newerSchema() names the file, both schemas and what to do", () => {
  const error = newerSchema("/home/x.db", 3, 2);
  assertEquals(error.message, "Cannot open /home/x.db: it has schema 3, and this program knows 2");
  assertEquals(error.hint, "Use the newer release that wrote it; the file is as that one left it");
  assertEquals([error.code, error.exitCode, error.retryable], ["version", 5, false]);
});
