import { assert, assertEquals, assertRejects } from "@std/assert";
import { RemoteError } from "../../lib/core/errors.ts";
import { type AnnouncedLibrary, Announcer } from "../../lib/peer/announcer.ts";
import { sealedPayloadBytesMax } from "../../lib/wire/envelope.ts";
import { encodeMessage, type ShareEntry } from "../../lib/wire/message.ts";
import { emptyShareDigest, toggleShare } from "../../lib/session/share_digest.ts";
import { FakeControl, fileEntry, shareEntry } from "./fake_control.ts";

class FakeLibrary implements AnnouncedLibrary {
  readonly shared = new Map<string, ShareEntry>();

  constructor(entries: readonly ShareEntry[]) {
    for (const entry of entries) this.shared.set(entry.name, entry);
  }

  entries() {
    return [...this.shared.values()];
  }

  digest() {
    const digest = emptyShareDigest();
    for (const entry of this.shared.values()) toggleShare(digest, entry);
    return digest;
  }

  drop(names: readonly string[]) {
    for (const name of names) this.shared.delete(name);
  }
}

function reconciled(announcer: Announcer): Promise<void> {
  announcer.reconcile((error) => {
    throw error;
  });
  return announcer.share([]);
}

Deno.test("reconcile() announces what is missing, and takes back what is not shared any more", async () => {
  const control = new FakeControl();
  for (const entry of [fileEntry("old", "1"), fileEntry("kept", "2"), fileEntry("altered", "3")]) {
    control.listed.set(entry.name, entry);
  }
  const library = new FakeLibrary([shareEntry("kept", "2"), shareEntry("altered", "4"), shareEntry("new", "5")]);
  await reconciled(new Announcer(control, library, 1234));
  assertEquals(
    [...control.listed.values()].map(({ name, id }) => [name, id[0]]).sort(),
    [["altered", "4"], ["kept", "2"], ["new", "5"]],
  );
  const announced = control.asked.flatMap((request) => request.kind === "share" ? request.entries : []);
  assertEquals(announced.map(({ name }) => name).sort(), ["altered", "new"]);
  assertEquals(control.presentedDigest, library.digest());
});

Deno.test("reconcile() drops what the account removed elsewhere, and never announces it again", async () => {
  const control = new FakeControl();
  control.listed.set("gone", { ...fileEntry("gone", "1"), withdrawn: true });
  const library = new FakeLibrary([shareEntry("gone", "1"), shareEntry("here", "2")]);
  await reconciled(new Announcer(control, library, 1234));
  assertEquals([...library.shared.keys()], ["here"]);
  assertEquals([...control.listed.keys()], ["here"]);
});

Deno.test("share() splits entries so that each request fits a datagram, and loses none", async () => {
  const control = new FakeControl();
  const entries = Array.from({ length: 500 }, (_, i) => shareEntry(`${i} ${"ü".repeat(i % 190)}`, "a"));
  await new Announcer(control, new FakeLibrary(entries), 1).share(entries);
  assertEquals(control.listed.size, entries.length);
  for (const request of control.asked) {
    assert(encodeMessage(2 ** 40, request as never).length <= sealedPayloadBytesMax);
  }
  assert(control.asked.length < entries.length / 2);
});

Deno.test("what an account may not share is forgotten, so that it is not announced for ever", async () => {
  const control = new FakeControl();
  control.request = (request) => {
    control.asked.push(request);
    return Promise.reject(new RemoteError("readOnly", "The coordinator refused share"));
  };
  const library = new FakeLibrary([shareEntry("a", "1"), shareEntry("b", "2")]);
  const announcer = new Announcer(control, library, 1);
  const error = await assertRejects(() => announcer.share([shareEntry("a", "1")]), RemoteError);
  assertEquals(error.code, "readOnly");
  assertEquals([...library.shared.keys()], ["b"]);
  assertEquals(control.presentedDigest, library.digest());
});

Deno.test("a list that is announced faster than the account's rate is announced all the same", async () => {
  const control = new FakeControl();
  const answer = control.request.bind(control);
  let refusals = 3;
  control.request = (request) => {
    if (refusals-- > 0) return Promise.reject(new RemoteError("busy", "asks too often", { retryAfterMs: 1 }));
    return answer(request);
  };
  await new Announcer(control, new FakeLibrary([]), 1).share([shareEntry("a", "1")]);
  assertEquals([...control.listed.keys()], ["a"]);
});
