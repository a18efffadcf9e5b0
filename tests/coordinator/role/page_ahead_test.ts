import { assertEquals } from "@std/assert";
import { PageAhead } from "../../../lib/coordinator/role/page_ahead.ts";
import type { Session } from "../../../lib/coordinator/role/session.ts";
import { forEveryone } from "../../../lib/core/audience.ts";
import type { MessageOf } from "../../../lib/wire/message.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";
import { contentIdOf, type Lab, labWith, ScriptedPeer } from "./lab.ts";

const session = () => ({}) as Session;
const cursor = (byte: number) => new Uint8Array([byte]);

Deno.test("what is kept is given once, to its session, for its cursor, and while it is fresh", () => {
  const ahead = new PageAhead<string>();
  const [one, other] = [session(), session()];
  const keep = () => ahead.keep(one, { cursor: cursor(1), readAtMs: 1000, rows: 50, page: "rest" });
  keep();
  assertEquals(ahead.take(other, cursor(1), 1000), undefined);
  assertEquals(ahead.take(one, cursor(2), 1000), undefined);
  assertEquals(ahead.take(one, new Uint8Array(0), 1000), undefined);
  assertEquals(ahead.take(one, cursor(1), 3000), "rest");
  assertEquals(ahead.take(one, cursor(1), 3000), undefined, "once");
  keep();
  assertEquals(ahead.take(one, cursor(1), 3001), undefined, "it is old");
});

Deno.test("a session has one rest, and where all together have too many rows the oldest is forgotten", () => {
  const ahead = new PageAhead<number>();
  const sessions = Array.from({ length: 200 }, session);
  for (const [number, one] of sessions.entries()) {
    for (const byte of [1, 2]) ahead.keep(one, { cursor: cursor(byte), readAtMs: 0, rows: 200, page: number });
  }
  assertEquals(ahead.take(sessions.at(-1)!, cursor(1), 0), undefined, "the later one has its place");
  const kept = sessions.filter((one) => ahead.take(one, cursor(2), 0) !== undefined);
  assertEquals(kept, sessions.slice(-81), "16,384 rows");
});

function sharing(lab: Lab, files: number): ScriptedPeer {
  const holder = new ScriptedPeer(lab, { account: "ada", device: 1 }).join();
  for (let at = 0; at < files; at += 5) {
    const entries = Array.from({ length: 5 }, (_, i) => {
      const number = at + i;
      return { name: `${number}.bin`, id: contentIdOf(number % 256), bytes: number + 1, ...forEveryone };
    });
    holder.ask({ kind: "share", entries });
  }
  return holder;
}

const isRead = ({ operation }: { readonly operation: string }) => operation === "search" || operation === "listFiles";

/** All pages of a list: its names, and how often the store was asked. */
function listAll(lab: Lab, peer: ScriptedPeer, kind: "search" | "listFiles", afterPage = (_: number) => {}) {
  const names: string[] = [];
  let pages = 0;
  lab.clear();
  let at: MessageOf<"files">["cursor"] = new Uint8Array(0);
  do {
    const page = peer.askFor(
      "files",
      kind === "search"
        ? { kind, ...searchFor("substring", ".bin"), cursor: at }
        : { kind, scope: "account", cursor: at },
    );
    names.push(...page.files.map(({ name }) => name));
    at = page.cursor;
    afterPage(++pages);
  } while (at.length > 0);
  return { names, pages, asked: lab.asked.filter(isRead).length };
}

for (const kind of ["search", "listFiles"] as const) {
  Deno.test(`${kind}: a long list has each file once, and costs the store far fewer questions than pages`, () => {
    const lab = labWith("ada", "bob");
    const holder = sharing(lab, 400);
    const peer = kind === "search" ? new ScriptedPeer(lab, { account: "bob", device: 2 }).join() : holder;
    const { names, pages, asked } = listAll(lab, peer, kind);
    assertEquals(names.length, 400);
    assertEquals(new Set(names).size, 400);
    assertEquals(asked * 4 <= pages && pages >= 15, true, `${asked} questions for ${pages} pages`);
    // What comes slowly is read anew, and is the same.
    const slow = listAll(lab, peer, kind, () => lab.nowMs += 2_500);
    assertEquals(slow.names, names);
    assertEquals(slow.asked, slow.pages);
  });
}

Deno.test("what was read ahead is not told once rights were lost", () => {
  const lab = labWith("ada", "bob");
  sharing(lab, 200);
  const peer = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  const ask = (at: Uint8Array<ArrayBuffer>) =>
    peer.askFor("files", { kind: "search", ...searchFor("substring", ".bin"), cursor: at });
  const second = ask(ask(new Uint8Array(0)).cursor);
  lab.input({ kind: "rightsLost", accounts: ["bob"] });
  lab.clear();
  ask(ask(second.cursor).cursor);
  assertEquals(lab.asked.filter(isRead).length, 1, "the store, and then what it has read ahead");
});

Deno.test("a page that is asked for again comes again, from the store", () => {
  const lab = labWith("ada", "bob");
  sharing(lab, 200);
  const peer = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  const ask = (at: Uint8Array<ArrayBuffer>) =>
    peer.askFor("files", { kind: "search", ...searchFor("substring", ".bin"), cursor: at });
  const first = ask(new Uint8Array(0));
  const second = ask(first.cursor);
  const third = ask(second.cursor);
  lab.clear();
  assertEquals(ask(second.cursor), third);
  assertEquals(lab.asked.filter(isRead).length, 1);
});
