/** docs/operations.md names the metrics that there are. */

import { assertEquals } from "@std/assert";

const root = new URL("../../", import.meta.url);
const guide = await Deno.readTextFile(new URL("docs/operations.md", root));

Deno.test("the metrics of docs/operations.md are those of the code", async () => {
  const code = await Deno.readTextFile(new URL("lib/coordinator/metrics.ts", root));
  const made = new Set([...code.matchAll(/^ {2}((?:shoal|process)_\w+): \{/gm)].map(([, name]) => name!));
  const named = new Set([...guide.matchAll(/\b((?:shoal|process)_[a-z_]+)\b/g)].map(([, name]) => name!));
  // A row may leave out the beginning of a name that the one before it has; alerts read a histogram's buckets.
  const missing = [...made].filter((name) => !named.has(name) && !guide.includes(`…${name.slice(-11)}`));
  assertEquals(missing, [], "metrics to add");
  assertEquals([...named].filter((name) => !made.has(name.replace(/_bucket$/, ""))), [], "metrics to remove");
});
