import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatNews, parseNews } from "../../lib/coordinator/news_text.ts";
import type { News } from "../../lib/coordinator/role/news.ts";
import type { ContentId, DeviceId } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";

const id = "ab".repeat(32) as ContentId;
const deviceId = "cd".repeat(32) as DeviceId;
const content = { id, bytes: 5 };
const entry = {
  name: "é".repeat(200),
  id,
  bytes: 5,
  audience: [{ kind: "group", name: "friends" }],
  description: "",
} as const;

/** One of each kind. */
const samples: readonly News[] = [
  { kind: "here", watches: true, asks: false },
  { kind: "gap" },
  { kind: "accountChanged", account: "ada", code: "disabled" },
  { kind: "rightsLost", accounts: ["ada", "bob"] },
  { kind: "standingChanged", account: "ada", role: "readOnly", rate: null },
  { kind: "deviceRevoked", device: 7 },
  { kind: "othersEnded", account: "ada", device: 7 },
  { kind: "loggedIn", device: 7, atMs: 1 },
  { kind: "left", device: 7 },
  { kind: "listChanged", device: 7, shareDigest: "00".repeat(32), ended: [content] },
  { kind: "revoked", holder: 7, devices: [deviceId] },
  { kind: "audienceChanged", holder: 7, shares: [1, 2] },
  { kind: "shared", device: 7, account: "ada", shares: [{ entry, share: 1 }] },
  { kind: "reported", account: "ada", holder: deviceId, content },
];

Deno.test("parseNews() reads what formatNews() wrote, of every kind", () => {
  for (const news of samples) {
    const [text, ...more] = formatNews(3, news);
    assertEquals([parseNews(text!), more], [{ from: 3, news }, []]);
  }
});

Deno.test("formatNews() makes texts that a NOTIFY takes, of lists as long as there are, and leaves nothing out", () => {
  const accounts = Array.from({ length: limits.groupMembersMax }, (_, i) => `an account with a name ${i}`);
  const shares = Array.from({ length: limits.entriesMax }, (_, share) => ({ entry, share: share + 1 }));
  const ended = Array.from({ length: 500 }, (_, bytes) => ({ id, bytes }));
  const lists: readonly News[] = [
    { kind: "rightsLost", accounts },
    { kind: "shared", device: 1, account: "ada", shares },
    { kind: "listChanged", device: 1, shareDigest: "00".repeat(32), ended },
    { kind: "revoked", holder: 1, devices: Array.from({ length: 500 }, () => deviceId) },
    { kind: "audienceChanged", holder: 1, shares: Array.from({ length: 5_000 }, (_, i) => i + 1) },
  ];
  for (const news of lists) {
    const texts = formatNews(9, news);
    for (const text of texts) assert(new TextEncoder().encode(text).length < 8_000);
    const [first, ...rest] = texts.map((text) => parseNews(text)!.news);
    const [list] = Object.entries(first!).find(([, value]) => Array.isArray(value))!;
    const all = [first, ...rest].flatMap((one) => (one as unknown as Record<string, unknown[]>)[list]!);
    assertEquals({ ...first, [list]: all }, news);
  }
});

Deno.test("parseNews() passes over what is damaged, of a later format or kind, or over a limit", () => {
  const text = (news: unknown, format = 1) => JSON.stringify([format, 3, news]);
  const name = "x".repeat(limits.nameBytesMax + 1);
  for (
    const bad of [
      ...["", "7", "null", "[]", "[1]", "{", "[1, -1, {}]"],
      text({ kind: "later" }),
      text(samples[0], 2),
      text({ kind: "deviceRevoked", device: 0 }),
      text({ kind: "deviceRevoked", device: "7" }),
      text({ kind: "accountChanged", account: "ada", code: "constructor" }),
      text({ kind: "revoked", holder: 1, devices: ["ab"] }),
      text({ kind: "shared", device: 1, account: "ada", shares: [{ entry: { ...entry, name }, share: 1 }] }),
    ]
  ) assertEquals(parseNews(bad), undefined, bad);
  const appended = text({ kind: "deviceRevoked", device: 7, more: true });
  assertEquals(parseNews(appended)?.news, { kind: "deviceRevoked", device: 7 }, "a later release adds fields");
});

Deno.test("formatNews() refuses one entry that no text holds: a mistake of ours", () => {
  assertThrows(() => formatNews(1, { kind: "rightsLost", accounts: ["x".repeat(9_000)] }), RangeError);
});
