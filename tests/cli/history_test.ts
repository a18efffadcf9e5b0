import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { History } from "../../lib/cli/history.ts";

async function inFolder(work: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "shoal_history_" });
  try {
    work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("History keeps lines from one prompt to the next, the newest first, readable by nobody else", async () => {
  await inFolder((folder) => {
    const path = join(folder, "history");
    const history = History.open(path);
    for (const line of ["peers", "fetch a", "fetch a", "find x"]) history.add(line);
    assertEquals(History.open(path).newestFirst(), ["find x", "fetch a", "peers"]);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

Deno.test("History keeps neither blank lines, nor what starts with a space, nor what is over-long", async () => {
  await inFolder((folder) => {
    const path = join(folder, "history");
    const history = History.open(path);
    for (const line of ["", "   ", " fetch private", "x".repeat(5_000), "peers"]) history.add(line);
    assertEquals(Deno.readTextFileSync(path), "peers\n");
  });
});

Deno.test("History is bounded, in memory and on disk", async () => {
  await inFolder((folder) => {
    const path = join(folder, "history");
    const history = History.open(path);
    for (let at = 0; at < 2_500; at++) history.add(`find ${at}`);
    const lines = Deno.readTextFileSync(path).trimEnd().split("\n");
    assertEquals(lines.at(-1), "find 2499");
    assertEquals(lines.length <= 2_000, true);
    assertEquals(History.open(path).newestFirst().length, 1_000);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

Deno.test("History that cannot be kept says so once it is added to, and is still there for this prompt", async () => {
  await inFolder((folder) => {
    const history = History.open(join(folder, "missing", "history"));
    assertEquals(history.newestFirst(), []);
    assertThrows(() => history.add("peers"), Deno.errors.NotFound);
    assertEquals(history.newestFirst(), ["peers"]);
  });
});
