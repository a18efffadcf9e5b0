import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { textPresentation } from "../../lib/cli/text_presentation.ts";
import { displayWidth } from "../../lib/cli/width.ts";
import type { ErrorCode } from "../../lib/core/errors.ts";
import type { PeerEvent } from "../../lib/peer/commands.ts";
import { MemoryScreen } from "./fakes.ts";

const id = "0123456789abcdef".repeat(4);
const nowMs = 1_700_000_000_000;
const hourMs = 3_600_000;

interface Options {
  readonly width?: number;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly command?: string;
  readonly isAnimated?: boolean;
}

function render(events: readonly PeerEvent[], options: Options = {}): MemoryScreen {
  const { width, quiet = false, verbose = false, command, isAnimated = false } = options;
  const screen = new MemoryScreen(width, isAnimated);
  const sink = textPresentation({ screen, quiet, verbose, clock: () => nowMs }).open();
  for (const event of events) sink.show(event);
  sink.finish(command);
  return screen;
}

const file = (name: string, bytes: number, holders: number) =>
  ({ type: "file", name, bytes, id, holders, sharedAtMs: 0 }) as const;
const peer = (account: string, device: string, online: boolean, changedAtMs: number) =>
  ({ type: "peer", account, device, online, changedAtMs }) as const;

const lists: Readonly<Record<string, readonly PeerEvent[]>> = {
  files: [
    file("holiday.mp4", 1_048_576_000, 3),
    file("talk.pdf", 1_500_000, 1),
    file("Photos/2026/Sommer in Größe und Übermut, mit allen Kindern, zweiter Teil.tar", 999, 0),
    file("音楽/夏の思い出と秋の紅葉を集めた特別な録音集 第二巻.flac", 31_234_567, 12),
  ],
  peers: [
    peer("ada", "laptop", true, nowMs - 5000),
    peer("ada", "nas in the cellar of the old house by the lake", false, nowMs - 72 * hourMs),
    peer("grzegorz.brzęczyszczykiewicz", "日本語の端末", true, nowMs - 2 * hourMs),
  ],
  transfers: [
    {
      type: "transfer",
      number: 1,
      direction: "down",
      name: "holiday.mp4",
      id,
      account: "",
      device: "",
      doneBytes: 420e6,
      totalBytes: 1e9,
      bytesPerSecond: 35.2e6,
      state: "running",
    },
    {
      type: "transfer",
      number: 12,
      direction: "up",
      name: "a rather long name of a talk.pdf",
      id,
      account: "bob",
      device: "nas",
      doneBytes: 0,
      totalBytes: 1.5e6,
      bytesPerSecond: 0,
      state: "waiting",
    },
  ],
};

const goldens: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  files: {
    60: `
NAME                            SIZE  HOLDERS  ID
holiday.mp4                  1.05 GB        3  0123456789ab…
talk.pdf                      1.5 MB        1  0123456789ab…
Photos/2026/Sommer…Teil.tar    999 B        0  0123456789ab…
音楽/夏の思い出と秋…巻.flac  31.2 MB       12  0123456789ab…
`,
    80: `
NAME                                                SIZE  HOLDERS  ID
holiday.mp4                                      1.05 GB        3  0123456789ab…
talk.pdf                                          1.5 MB        1  0123456789ab…
Photos/2026/Sommer in Größe und…weiter Teil.tar    999 B        0  0123456789ab…
音楽/夏の思い出と秋の紅葉を集め…集 第二巻.flac   31.2 MB       12  0123456789ab…
`,
    200: `
NAME                                                                             SIZE  HOLDERS  ID
holiday.mp4                                                                   1.05 GB        3  0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
talk.pdf                                                                       1.5 MB        1  0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
Photos/2026/Sommer in Größe und Übermut, mit allen Kindern, zweiter Teil.tar    999 B        0  0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
音楽/夏の思い出と秋の紅葉を集めた特別な録音集 第二巻.flac                     31.2 MB       12  0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
`,
  },
  peers: {
    60: `
ACCOUNT              DEVICE               STATE   SINCE
ada                  laptop               online  just now
ada                  nas in the cellar …  away    3 days ago
grzegorz.brzęczysz…  日本語の端末         online  2 h ago
`,
    80: `
ACCOUNT                       DEVICE                          STATE   SINCE
ada                           laptop                          online  just now
ada                           nas in the cellar of the old …  away    3 days ago
grzegorz.brzęczyszczykiewicz  日本語の端末                    online  2 h ago
`,
    200: `
ACCOUNT                       DEVICE                                          STATE   SINCE
ada                           laptop                                          online  just now
ada                           nas in the cellar of the old house by the lake  away    3 days ago
grzegorz.brzęczyszczykiewicz  日本語の端末                                    online  2 h ago
`,
  },
  transfers: {
    60: `
 #  DIR   NAME              DONE    SIZE       RATE  STATE
 1  down  holiday.mp4        42%    1 GB  35.2 MB/s  running
12  up    a rather l…k.pdf    0%  1.5 MB             waiting
`,
    80: `
 #  DIR   NAME                         WITH     DONE    SIZE       RATE  STATE
 1  down  holiday.mp4                            42%    1 GB  35.2 MB/s  running
12  up    a rather long name…talk.pdf  bob/nas    0%  1.5 MB             waiting
`,
    200: `
 #  DIR   NAME                              WITH     DONE    SIZE       RATE  STATE
 1  down  holiday.mp4                                 42%    1 GB  35.2 MB/s  running
12  up    a rather long name of a talk.pdf  bob/nas    0%  1.5 MB             waiting
`,
  },
};

Deno.test("tables fit 60, 80 and 200 columns", () => {
  for (const [name, byWidth] of Object.entries(goldens)) {
    for (const [width, golden] of Object.entries(byWidth)) {
      const { dataLines } = render(lists[name]!, { width: Number(width) });
      assertEquals(`\n${dataLines.join("\n")}\n`, golden);
      for (const line of dataLines) assert(displayWidth(line) <= Number(width), line);
    }
  }
});

Deno.test("a fetch shows what it waits for, its place, or why it failed, and what is no number of an id is escaped", () => {
  const fetch = { ...lists.transfers![0] as Extract<PeerEvent, { type: "transfer" }>, doneBytes: 0 };
  const states = [
    { state: "waiting", place: 2, priority: "high" },
    { state: "waiting", why: "for a holder", priority: "normal" },
    { state: "paused", priority: "low" },
    { state: "failed", why: "no byte\x1b came" },
    { state: "done", priority: "high" },
  ] as const;
  const { dataLines } = render(states.map((changes) => ({ ...fetch, ...changes })), { width: 120 });
  assertEquals(dataLines.slice(1).map((line) => line.slice(dataLines[0]!.indexOf("STATE"))), [
    "waiting, place 2, high priority",
    "waiting for a holder",
    "paused, low priority",
    "failed: no byte\\x1b came",
    "done",
  ]);
});

Deno.test("a list that is watched is drawn in place, above progress, and its last state stays", () => {
  const screen = new MemoryScreen(80, true);
  const presentation = textPresentation({ screen, quiet: false, verbose: false, clock: () => nowMs });
  const [fetch, watched] = [presentation.open(), presentation.open()];
  fetch.show({ type: "progress", name: "x.bin", doneBytes: 1, totalBytes: 2 });
  const [down, up] = lists.transfers!;
  for (const event of [down!, up!, { type: "listed", atMs: 1 }, up!, { type: "listed", atMs: 2 }] as const) {
    watched.show(event);
  }
  assertEquals(screen.dataLines, []);
  assertEquals(screen.liveLines.map((line) => line.slice(0, 6)), [" #  DI", "12  up", "x.bin "]);
  watched.show({ type: "error", code: "interrupted", message: "Interrupted", hint: "" });
  watched.finish();
  assertEquals([screen.dataLines.map((line) => line.slice(0, 6)), screen.noticeLines], [[" #  DI", "12  up"], []]);
  assertEquals(screen.liveLines.map((line) => line.slice(0, 6)), ["x.bin "]);

  const many = render([...Array.from({ length: 30 }, () => down!), { type: "listed", atMs: 1 }], {
    width: 80,
    isAnimated: true,
  });
  assertEquals([many.dataLines.length, many.dataLines.at(-1)], [22, "and 10 more"]);
  const list = [down!, { type: "listed", atMs: 1 }] as const;
  assertEquals(render([...list, ...list]).dataLines.length, 2, "elsewhere one follows the other");
});

Deno.test("receipts are a table of what came from whom", () => {
  const receipt = {
    ...{ type: "receipt", path: "/in/a b.pdf", bytes: 1.5e6, id, fetchedBytes: 1.5e6 },
    name: "a b.pdf",
    holders: [{ account: "bob", device: "nas", deviceId: "", bytes: 1.5e6 }],
    startedAtMs: 0,
    finishedAtMs: nowMs - 2 * hourMs,
    coordinator: "127.0.0.1:5000",
  } as const;
  assertEquals(render([{ ...receipt, type: "receipt" }], { width: 80 }).dataLines, [
    "NAME       SIZE  FROM     WHEN     PATH         ID",
    "a b.pdf  1.5 MB  bob/nas  2 h ago  /in/a b.pdf  0123456789ab…",
  ]);
});

Deno.test("devices are a table of who is here, and by what each logs in", () => {
  const device = (name: string, isThis: boolean, online: boolean, enrolledAtMs: number | null) =>
    ({ type: "device", device: name, isThis, online, changedAtMs: nowMs - hourMs, enrolledAtMs }) as const;
  const { dataLines } = render(
    [device("laptop", true, true, nowMs - 48 * hourMs), device("old-phone", false, false, null)],
    { width: 100 },
  );
  assertEquals(dataLines.map((line) => line.trimEnd().split(/ {2,}/)), [
    ["DEVICE", "STATE", "SINCE", "LOGS IN BY", "ENROLLED"],
    ["laptop", "online, this one", "1 h ago", "key", "2 days ago"],
    ["old-phone", "away", "1 h ago", "password"],
  ]);
});

Deno.test("a pipe gets whole rows without headings", () => {
  assertEquals(render(lists.files!).dataLines.slice(0, 2), [
    `holiday.mp4                                                                   1.05 GB        3  ${id}`,
    `talk.pdf                                                                       1.5 MB        1  ${id}`,
  ]);
  assertEquals(render(lists.files!).dataLines.length, 4);
});

Deno.test("a list longer than one table goes on without further headings", () => {
  const many = Array.from({ length: 2_500 }, (_, at) => file(`f${at}`, at, 1));
  const { dataLines } = render(many, { width: 80 });
  assertEquals(dataLines.length, 2_501);
  assertEquals(dataLines.filter((line) => line.startsWith("NAME")).length, 1);
});

Deno.test("events become lines: data on stdout, the rest on stderr", () => {
  const holder = { account: "bob", device: "nas", bytes: 1e6 };
  const fetched = {
    type: "fetched",
    name: "a",
    path: "/in/a",
    bytes: 1e6,
    id,
    refetchedBytes: 0,
    reusedBytes: 0,
  } as const;
  const cases: readonly (readonly [PeerEvent, data: readonly string[], notices: readonly string[]])[] = [
    [
      { type: "ready", v: 1, program: "peer", address: "127.0.0.1", port: 4000, account: "ada", device: "vm" },
      ["Ready: ada/vm, serving on 127.0.0.1:4000"],
      [],
    ],
    [
      { type: "ready", v: 1, program: "peer", address: "::1", port: 4000, account: "ada", device: "vm" },
      ["Ready: ada/vm, serving on [::1]:4000"],
      [],
    ],
    [{ type: "shared", name: "a b", bytes: 1e6, id }, [`shared a b (1 MB)  ${id}`], []],
    [{ type: "removed", name: "a" }, ["removed a"], []],
    [
      { ...fetched, holders: [holder], fetchedBytes: 1e6, wireBytes: 1e6, tookMs: 2000 },
      ["fetched /in/a (1 MB, in 2.0 s, 500 kB/s, from bob/nas)"],
      [],
    ],
    [
      {
        ...fetched,
        holders: [holder, holder, holder, holder],
        fetchedBytes: 1e6,
        wireBytes: 2e5,
        tookMs: 0,
        refetchedBytes: 500,
      },
      ["fetched /in/a (1 MB, in 0.0 s, 1 GB/s, from 4 holders, 200 kB over the network, 500 B of it fetched again)"],
      [],
    ],
    [
      { ...fetched, holders: [], fetchedBytes: 0, wireBytes: 0, tookMs: 1 },
      ["fetched /in/a (1 MB, it was there already)"],
      [],
    ],
    [
      { ...fetched, holders: [holder], fetchedBytes: 1e5, reusedBytes: 9e5, wireBytes: 1e5, tookMs: 1000 },
      ["fetched /in/a (1 MB, in 1.0 s, 100 kB/s, from bob/nas, 900 kB of it from files already here)"],
      [],
    ],
    [
      { ...fetched, holders: [], fetchedBytes: 0, reusedBytes: 1e6, wireBytes: 0, tookMs: 1000 },
      ["fetched /in/a (1 MB, in 1.0 s, 1 MB of it from files already here)"],
      [],
    ],
    [{ ...fetched, bytes: 0, holders: [], fetchedBytes: 0, wireBytes: 0, tookMs: 1 }, ["fetched /in/a (0 B)"], []],
    [{ type: "verified", path: "/a", bytes: 5, id, name: "a" }, [`verified /a is a (5 B)  ${id}`], []],
    [
      { type: "fingerprint", account: "ada", fingerprint: "one two three", trust: "changed" },
      ["ada  one two three  CHANGED: another key than the one remembered"],
      [],
    ],
    [{ type: "trusted", account: "ada", fingerprint: "one two" }, ["trusted ada  one two"], []],
    [{ type: "revoked", device: "old" }, ["revoked old: it needs the password to log in again"], []],
    [
      { type: "loggedOut", account: "ada", device: "vm" },
      ["logged out ada/vm: the next start needs the password"],
      [],
    ],
    [{ type: "registered", account: "ada" }, ["registered ada"], []],
    [
      { type: "passwordChanged", account: "ada", everywhere: false },
      ["changed the password of ada; other devices stay logged in"],
      [],
    ],
    [
      { type: "passwordChanged", account: "ada\x1b", everywhere: true },
      ["changed the password of ada\\x1b; all other devices need the new one"],
      [],
    ],
    [{ type: "note", message: "Connected again" }, [], ["Connected again"]],
    [
      { type: "error", code: "notFound", message: "Cannot fetch x: nobody has it", hint: "Try find" },
      [],
      ["error: Cannot fetch x: nobody has it", "  Try find"],
    ],
    [{ type: "error", code: "io", message: "Cannot write", hint: "" }, [], ["error: Cannot write"]],
    [
      { type: "ambiguous", name: "a", choices: [file("a", 5, 1), file("a", 6, 2)] },
      [],
      [
        "a stands for several contents:",
        "#  NAME  SIZE  HOLDERS  ID",
        `1  a      5 B        1  ${id}`,
        `2  a      6 B        2  ${id}`,
      ],
    ],
  ];
  for (const [event, data, notices] of cases) {
    const { dataLines, noticeLines } = render([event]);
    assertEquals([dataLines, noticeLines], [data, notices], event.type);
  }
});

Deno.test("status shows how the peer is doing, line by line", () => {
  const status = {
    type: "status",
    online: true,
    account: "ada",
    device: "vm-1",
    coordinator: "127.0.0.1:5000",
    address: "127.0.0.1",
    port: 4000,
    reachable: "unknown",
    shares: 3,
    uploads: 0,
    downloads: 1,
    roundTripMs: 1.2,
    home: "/home/ada/.local/state/shoal",
  } as const;
  assertEquals(render([status]).dataLines, [
    "state        online",
    "account      ada/vm-1",
    "coordinator  127.0.0.1:5000, 1 ms away",
    "serving on   127.0.0.1 port 4000, not known yet",
    "shares       3",
    "transfers    1 down, 0 up",
    "home         /home/ada/.local/state/shoal",
  ]);
});

Deno.test("an empty list says so to a person, on stderr, and a failed one does not", () => {
  const empty = render([], { command: "peers" });
  assertEquals([empty.dataLines, empty.noticeLines], [[], ["Nobody is known here yet"]]);
  assertEquals(render([], { command: "find" }).noticeLines, []);
  assertEquals(render([]).noticeLines, []);
  assertEquals(render([], { command: "peers", quiet: true }).noticeLines, []);
});

Deno.test("quiet leaves results and errors alone; verbose names ids and every holder", () => {
  const events: readonly PeerEvent[] = [
    { type: "note", message: "n" },
    { type: "progress", name: "a", doneBytes: 0, totalBytes: 1 },
    { type: "removed", name: "a" },
    { type: "error", code: "io", message: "Cannot write", hint: "" },
  ];
  const quiet = render(events, { quiet: true });
  assertEquals([quiet.dataLines, quiet.noticeLines], [["removed a"], ["error: Cannot write"]]);
  const fetched = {
    type: "fetched",
    name: "a",
    path: "/a",
    bytes: 3e6,
    id,
    holders: [{ account: "bob", device: "nas", bytes: 3e6 }],
    refetchedBytes: 0,
    reusedBytes: 0,
    wireBytes: 3e6,
    fetchedBytes: 3e6,
    tookMs: 1000,
  } as const;
  assertEquals(render([fetched], { verbose: true }).dataLines.slice(1), ["    3 MB from bob/nas", `    ${id}`]);
  assertStringIncludes(render(lists.files!, { width: 120, verbose: true }).dataLines[1]!, id);
});

const fetchedOf = (name: string, bytes: number): PeerEvent => ({
  ...{ type: "fetched", name, path: `/in/${name}`, bytes, id, holders: [{ account: "bob", device: "nas", bytes }] },
  ...{ refetchedBytes: 0, fetchedBytes: bytes, reusedBytes: 0, wireBytes: bytes, tookMs: 1 },
});

/** A fetch of so many files of 1 MB, of which some are not there in the end. */
function fetchOfMany(
  files: number,
  { failed = 0, thereAlready = 0, code = "notFound" as ErrorCode } = {},
): readonly PeerEvent[] {
  const done = files - failed;
  return [
    { type: "fetching", name: "photos", files, bytes: files * 1e6 },
    ...Array.from({ length: done }, (_, i) => fetchedOf(`${i}`, 1e6)),
    ...Array(failed).fill({ type: "error", code, message: "Cannot fetch it", hint: "" }),
    {
      ...{ type: "summary", name: "photos", files, done, bytes: done * 1e6 },
      ...{ fetchedBytes: (done - thereAlready) * 1e6, tookMs: 2000 },
    },
  ];
}

Deno.test("more than twenty files have one line together, and their errors; if it is verbose also one each", () => {
  const many = render(fetchOfMany(40));
  assertEquals([many.dataLines, many.noticeLines], [["fetched 40 files (40 MB, in 2.0 s, 20 MB/s)"], []]);
  const some = render(fetchOfMany(40, { failed: 2, thereAlready: 10 }), { quiet: true });
  assertEquals(some.dataLines, ["fetched 38 of 40 files (38 MB, in 2.0 s, 14 MB/s, 10 MB was there already)"]);
  assertEquals(some.noticeLines, ["error: Cannot fetch it", "error: Cannot fetch it"]);
  const none = render(fetchOfMany(40, { failed: 40 }));
  assertEquals(none.dataLines, ["fetched 0 of 40 files (0 B, in 2.0 s)"]);
  const named = Array(5).fill("error: Cannot fetch it");
  assertEquals(none.noticeLines, [...named, "error: 35 more files failed in this way: notFound"]);
  const stopped = render(fetchOfMany(40, { failed: 30, code: "interrupted" }));
  assertEquals([stopped.noticeLines, stopped.dataLines.length], [[], 1], "Ctrl-C is one event");
  assertEquals(render(fetchOfMany(40, { failed: 30 }), { verbose: true }).noticeLines.length, 30);
  const verbose = render(fetchOfMany(21), { verbose: true }).dataLines;
  assertEquals(verbose.filter((line) => line.startsWith("fetched /in/")).length, 21);
  assertEquals(verbose.at(-1), "fetched 21 files (21 MB, in 2.0 s, 10.5 MB/s)");
});

Deno.test("up to twenty files have a line each, and no other", () => {
  const { dataLines } = render(fetchOfMany(20));
  assertEquals(dataLines.length, 20);
  assert(dataLines.every((line) => line.startsWith("fetched /in/")), dataLines.at(-1));
});

Deno.test("the progress of many files is one line, which goes with the summary", () => {
  const progress: PeerEvent = {
    ...{ type: "progress", name: "photos", doneBytes: 10e6, totalBytes: 40e6, bytesPerSecond: 5e6 },
    files: { done: 10, total: 40 },
  };
  const events = fetchOfMany(40);
  const screen = new MemoryScreen(100, true);
  const sink = textPresentation({ screen, quiet: false, verbose: false, clock: () => nowMs }).open();
  for (const event of [...events.slice(0, 11), progress]) sink.show(event);
  assertEquals(screen.liveLines.length, 1);
  assertStringIncludes(screen.liveLines[0]!, "photos (10/40) ");
  for (const event of events.slice(11)) sink.show(event);
  assertEquals(screen.liveLines, []);
});

Deno.test("names, accounts, devices and the words of others are harmless wherever they are shown", () => {
  const evil = "a\x1b[2J\x07\x9b\u202eb\n\u200bc\x00";
  const all: readonly PeerEvent[] = [
    file(evil, 1, 1),
    peer(evil, evil, true, nowMs),
    { ...lists.transfers![1]!, name: evil, account: evil, device: evil } as PeerEvent,
    { type: "ready", v: 1, program: "peer", address: evil, port: 1, account: evil, device: evil },
    { type: "shared", name: evil, bytes: 1, id },
    { type: "removed", name: evil },
    {
      type: "fetched",
      name: evil,
      path: `/${evil}`,
      bytes: 1,
      id,
      holders: [{ account: evil, device: evil, bytes: 1 }],
      refetchedBytes: 0,
      reusedBytes: 0,
      wireBytes: 1,
      fetchedBytes: 1,
      tookMs: 1,
    },
    {
      type: "status",
      online: true,
      account: evil,
      device: evil,
      coordinator: evil,
      address: evil,
      port: 1,
      reachable: "no",
      shares: 0,
      uploads: 0,
      downloads: 0,
      roundTripMs: 0,
      home: evil,
    },
    { type: "verified", path: evil, bytes: 1, id, name: evil },
    { type: "fingerprint", account: evil, fingerprint: evil, trust: "new" },
    { type: "trusted", account: evil, fingerprint: evil },
    { type: "device", device: evil, isThis: true, online: true, changedAtMs: nowMs, enrolledAtMs: null },
    { type: "revoked", device: evil },
    { type: "loggedOut", account: evil, device: evil },
    { type: "ambiguous", name: evil, choices: [file(evil, 1, 1)] },
    { type: "note", message: evil },
    { type: "error", code: "denied", message: evil, hint: evil },
  ];
  for (const width of [undefined, 60]) {
    const { dataLines, noticeLines } = render(all, { ...(width === undefined ? {} : { width }), verbose: true });
    for (const line of [...dataLines, ...noticeLines]) {
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f\u200b\u202e]/.test(line), JSON.stringify(line));
    }
    assert(dataLines.some((line) => line.includes("\\x1b[2J")));
  }
});
