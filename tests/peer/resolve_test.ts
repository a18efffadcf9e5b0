import { assertEquals, assertRejects } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { resolveTarget, searchModeOf } from "../../lib/peer/resolve.ts";
import { FakeControl, fileEntry, idOf } from "./fake_control.ts";

function network(...entries: ReturnType<typeof fileEntry>[]): FakeControl {
  const control = new FakeControl();
  control.searchable = entries;
  return control;
}

Deno.test("searchModeOf() tells ids, globs and names apart", () => {
  assertEquals(searchModeOf("A".repeat(64)), "id");
  assertEquals(searchModeOf("*.pdf"), "glob");
  assertEquals(searchModeOf("a".repeat(63)), "name");
});

Deno.test("resolveTarget() reads every page of a glob", async () => {
  const control = network(...["a1", "a2", "a3", "a4", "a5"].map((name) => fileEntry(name, "1")), fileEntry("b", "1"));
  const resolved = await resolveTarget(control, { pattern: "a*" });
  assertEquals(resolved.files.map(({ name }) => name), ["a1", "a2", "a3", "a4", "a5"]);
});

Deno.test("resolveTarget() never guesses between two contents of one name", async () => {
  const resolved = await resolveTarget(network(fileEntry("a", "1"), fileEntry("a", "2")), { pattern: "a" });
  assertEquals(resolved.ambiguous[0]?.choices.map(({ id }) => id), [idOf("1"), idOf("2")]);
});

Deno.test("resolveTarget() keeps the clear files of a glob that meets an ambiguous name", async () => {
  const control = network(fileEntry("a1", "1"), fileEntry("a2", "2"), fileEntry("a2", "3"));
  const { files, ambiguous } = await resolveTarget(control, { pattern: "a*" });
  assertEquals([files.map(({ name }) => name), ambiguous.map(({ name }) => name)], [["a1"], ["a2"]]);
});

Deno.test("resolveTarget() takes one id with two sizes for two contents", async () => {
  const resolved = await resolveTarget(network(fileEntry("a", "1", 64), fileEntry("a", "1", 900_000)), {
    pattern: idOf("1"),
  });
  assertEquals([resolved.files, resolved.ambiguous.length], [[], 1]);
});

Deno.test("resolveTarget() gives an id the name that most holders give it", async () => {
  const resolved = await resolveTarget(network(fileEntry("few", "1", 10, 1), fileEntry("many", "1", 10, 5)), {
    pattern: idOf("1").toUpperCase(),
  });
  assertEquals(resolved.files[0]?.name, "many");
});

Deno.test("resolveTarget() takes a name with a glob's characters for itself first", async () => {
  const resolved = await resolveTarget(network(fileEntry("[x]", "1"), fileEntry("x", "2")), { pattern: "[x]" });
  assertEquals(resolved.files.map(({ name }) => name), ["[x]"]);
});

Deno.test("resolveTarget() takes a name that no file has for a folder, and all that is in it, however it ends", async () => {
  const control = network(fileEntry("photos/a", "1"), fileEntry("photos/b/c", "2"), fileEntry("photos", "3"));
  assertEquals((await resolveTarget(control, { pattern: "photos" })).files.map(({ name }) => name), ["photos"]);
  const folder = network(fileEntry("photos/a", "1"), fileEntry("photos/b/c", "2"), fileEntry("photos2/d", "4"));
  for (const pattern of ["photos", "photos/", "photos//"]) {
    const { files } = await resolveTarget(folder, { pattern });
    assertEquals(files.map(({ name }) => name), ["photos/a", "photos/b/c"], pattern);
  }
});

Deno.test("resolveTarget() says that nobody shares it", async () => {
  const error = await assertRejects(() => resolveTarget(network(), { pattern: "a" }), ShoalError);
  assertEquals(error.code, "notFound");
});
