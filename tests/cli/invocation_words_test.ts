import { assertEquals } from "@std/assert";
import { invocationWords } from "../../lib/cli/invocation_words.ts";

function words(program: "coordinator" | "peer", executable?: string, standaloneAt?: string): readonly string[] {
  const env = (name: string) => name === "SHOAL_EXECUTABLE" ? executable : undefined;
  return invocationWords(program, { env, standaloneAt });
}

Deno.test("invocationWords() name the task in a source tree", () => {
  assertEquals(words("peer"), ["deno", "task", "-q", "peer"]);
  assertEquals(words("coordinator", ""), ["deno", "task", "-q", "coordinator"]);
});

Deno.test("invocationWords() name the executable as it was called, or where deno compile's one is", () => {
  assertEquals(words("peer", "./my tools/shoal-peer"), ["./my tools/shoal-peer"]);
  assertEquals(words("peer", undefined, "/usr/bin/shoal-peer"), ["/usr/bin/shoal-peer"]);
});
