import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Announcer } from "../../lib/peer/announcer.ts";
import type { PeerEvent } from "../../lib/peer/commands.ts";
import { Sharing } from "../../lib/peer/sharing.ts";
import { FakeControl } from "./fake_control.ts";

/** Shares paths of a new folder; answers the events in short, and what the coordinator lists then. */
async function share(folder: string, paths: readonly string[]) {
  const control = new FakeControl();
  const home = { config: join(folder, "config"), state: join(folder, "state"), cache: join(folder, "cache") };
  for (const path of [home.state, home.cache]) await Deno.mkdir(path);
  using sharing = new Sharing(home, () => {});
  sharing.announcer = new Announcer(control, sharing, 1);
  const events: PeerEvent[] = [];
  const wish = { paths: paths.map((path) => join(folder, path)), audience: undefined, description: undefined };
  const emit = (event: PeerEvent) => void events.push(event);
  for await (const event of sharing.share(wish, new AbortController().signal, emit)) emit(event);
  const short = events.map((event) =>
    "name" in event ? `${event.type} ${event.name}` : event.type === "error" ? `error ${event.code}` : event.type
  );
  return { short, listed: [...control.listed.keys()] };
}

Deno.test("share() shares what it can, tells what it cannot, and calls a file in progress lines as others will", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, "empty"));
    await Deno.mkdir(join(folder, "music"));
    await Deno.writeTextFile(join(folder, "music", "a"), "a");
    await Deno.writeTextFile(join(folder, "b"), "b");
    const { short, listed } = await share(folder, ["none", "empty", "music", "b"]);
    assertEquals([...new Set(short)], [
      "error notFound",
      "progress music/a",
      "shared music/a",
      "progress b",
      "shared b",
    ]);
    assertEquals(short.filter((line) => line.startsWith("error")).length, 2, "the missing path and the empty folder");
    assertEquals(listed, ["music/a", "b"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a file that is written to while it is looked at again is looked at until it is at rest, and then shared as it is", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const control = new FakeControl();
    const home = { config: join(folder, "config"), state: join(folder, "state"), cache: join(folder, "cache") };
    for (const path of [home.state, home.cache]) await Deno.mkdir(path);
    const { promise: noted, resolve: note } = Promise.withResolvers<string>();
    using sharing = new Sharing(home, note);
    sharing.announcer = new Announcer(control, sharing, 1);
    const path = join(folder, "log");
    await Deno.writeTextFile(path, "first");
    for await (
      const _event of sharing.share(
        { paths: [path], audience: undefined, description: undefined },
        new AbortController().signal,
        () => {},
      )
    ) { /* shared */ }
    const { content } = sharing.list()[0]!;

    using file = await Deno.open(path, { write: true, append: true });
    // Large enough that it cannot be hashed between two writes.
    await file.truncate(512 * 1024 * 1024);
    sharing.refresh(content);
    for (let i = 0; i < 50; i++) {
      await file.write(new Uint8Array([i]));
      await new Promise((wake) => setTimeout(wake, 5));
    }
    await file.truncate(100_000);
    assertEquals(await noted, "log has changed; it is shared as it is now");
    assertEquals(sharing.list()[0]!.content.bytes, 100_000);
    while (control.listed.get("log")?.bytes !== 100_000) await new Promise((wake) => setTimeout(wake, 1));
    assert(sharing.has("log"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
