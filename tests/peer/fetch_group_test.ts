import { assertEquals } from "@std/assert";
import type { PeerEvent } from "../../lib/peer/commands.ts";
import { FetchGroup } from "../../lib/peer/fetch_group.ts";
import type { FetchWish } from "../../lib/peer/fetch_store.ts";
import { idOf } from "./fake_control.ts";

/** A group of files of 1,000 bytes each, named 0, 1, …, and what it told. */
function groupOf(files: number) {
  const told: PeerEvent[] = [];
  const clock = { nowMs: 5000 };
  const wishes = Array.from({ length: files }, (_, i) => ({ name: `${i}`, content: { id: idOf("a"), bytes: 1000 } }));
  const emit = (event: PeerEvent) => void told.push(event);
  const group = new FetchGroup("photos", wishes as unknown as FetchWish[], emit, () => clock.nowMs);
  return {
    ...{ group, clock },
    /** What was told since the last look. */
    told: () => told.splice(0),
    progress: (name: number, doneBytes: number) =>
      group.emit({ type: "progress", name: `${name}`, doneBytes, totalBytes: 1000 }),
    fetched: (name: number, fetchedBytes = 1000) =>
      group.emit({
        ...{ type: "fetched", name: `${name}`, path: `/in/${name}`, bytes: 1000, id: idOf("a"), holders: [] },
        ...{ refetchedBytes: 0, fetchedBytes, reusedBytes: 0, wireBytes: fetchedBytes, tookMs: 1 },
      }),
  };
}

const whole = (done: number, total: number, doneBytes: number, bytesPerSecond: number): PeerEvent => ({
  type: "progress",
  name: "photos",
  doneBytes,
  totalBytes: total * 1000,
  activity: "fetch",
  bytesPerSecond,
  files: { done, total },
});

Deno.test("many files have one progress, at most ten times a second, and a line each as ever", () => {
  const { group, clock, told, progress, fetched } = groupOf(10);
  assertEquals(told(), [{ type: "fetching", name: "photos", files: 10, bytes: 10_000 }] as PeerEvent[]);
  fetched(0);
  progress(1, 400);
  assertEquals(told().map(({ type }) => type), ["fetched"]);
  clock.nowMs += 99;
  progress(1, 500);
  assertEquals(told(), []);
  clock.nowMs += 1;
  progress(1, 600);
  assertEquals(told(), [whole(1, 10, 1600, 0)], "the first look has no rate");
  clock.nowMs += 100;
  fetched(1);
  assertEquals(told().map(({ type }) => type), ["fetched", "progress"]);
  clock.nowMs += 1000;
  fetched(2);
  assertEquals(told().slice(1), [whole(3, 10, 3000, 3100)], "400 in 0.1 s count for 70 %, 1000 in 1 s for 30 %");
  group.end();
  assertEquals(
    told(),
    [
      { type: "summary", name: "photos", files: 10, done: 3, bytes: 3000, fetchedBytes: 3000, tookMs: 1200 },
    ] as PeerEvent[],
  );
});

Deno.test("a few files have their own progress, and a summary as well", () => {
  const { group, clock, told, progress, fetched } = groupOf(6);
  told();
  for (const name of [0, 1]) {
    clock.nowMs += 500;
    progress(name, 300);
  }
  assertEquals(
    told().map((event) => event.type === "progress" ? [event.name, event.files] : event.type),
    [["0", undefined], ["1", undefined]],
  );
  fetched(0);
  group.end();
  assertEquals(told().map(({ type }) => type), ["fetched", "summary"]);
});

Deno.test("the summary counts what is whole alone, and of that what came from the network", () => {
  const { group, told, progress, fetched } = groupOf(8);
  progress(0, 900);
  fetched(1, 0);
  progress(2, 500);
  fetched(2);
  progress(3, 700);
  progress(3, 100);
  group.emit({ type: "error", code: "notFound", message: "", hint: "" });
  told();
  group.end();
  const [summary] = told();
  assertEquals(
    summary,
    { type: "summary", name: "photos", files: 8, done: 2, bytes: 2000, fetchedBytes: 1000, tookMs: 0 } as PeerEvent,
  );
});

Deno.test("what is no progress of a file is passed on as it is", () => {
  const { group, told } = groupOf(10);
  told();
  const events: PeerEvent[] = [
    { type: "note", message: "a: waits for a holder" },
    { type: "error", code: "exists", message: "Cannot", hint: "" },
  ];
  events.forEach(group.emit);
  assertEquals(told(), events);
});
