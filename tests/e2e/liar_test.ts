/** What a coordinator that lies can do and cannot, held against SECURITY.md "Which lies are found out, and by whom". */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { makeCertificate } from "../../lib/net/certificate.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { signDevice } from "../../lib/session/proofs.ts";
import { openTicket, sealTicket, ticketDay, ticketKeyFor, ticketKeysFor } from "../../lib/session/ticket.ts";
import type { HolderEntry, Message, MessageOf } from "../../lib/wire/message.ts";
import type { Ticket } from "../../lib/wire/ticket.ts";
import { type Line, Stage } from "../../scripts/programs.ts";
import { assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, listFiles } from "./files.ts";
import { Liar } from "./liar.ts";
import { Session } from "./session.ts";

const accounts = { alice: "alice's password", bob: "bob's password", carol: "carol's password" };

/** A coordinator that has told the truth so far: bob has met alice and carol, and wants alice's next file. */
class Scene implements AsyncDisposable {
  readonly stage: Stage;
  readonly liar: Liar;
  readonly bob: Session;
  /** The last true entry of each account. */
  readonly known = new Map<string, HolderEntry>();
  readonly ticketRoot: Uint8Array;

  private constructor(stage: Stage, liar: Liar, bob: Session, ticketRoot: Uint8Array) {
    this.stage = stage;
    this.liar = liar;
    this.bob = bob;
    this.ticketRoot = ticketRoot;
  }

  static async open(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const stage = stack.use(await Stage.open(accounts));
    const liar = stack.use(await Liar.open(stage));
    for (const account of ["alice", "carol"]) {
      const names = [`${account}.txt`, `${account}'s next.txt`];
      for (const name of names) await Deno.writeTextFile(stage.path(name), `content of ${name}`);
      await stage.peer(account, ["share", ...names.map((name) => stage.path(name))]).ready();
    }
    const scene = new Scene(stage, liar, await Session.open(stage, "bob"), await liar.ticketRoot());
    scene.lieAbout({});
    for (const name of ["alice.txt", "carol.txt"]) {
      assertEquals(ofType({ lines: await scene.fetch(name) }, "fetched").length, 1, said(scene.bob.program));
    }
    scene.#stack = stack.move();
    return scene;
  }

  #stack = new AsyncDisposableStack();

  /** Changes the holders that LOCATE names, the files that a search finds; notes the truth. */
  lieAbout(
    { holder = (entry) => entry, message = (one) => one }: {
      readonly holder?: (entry: HolderEntry) => HolderEntry;
      readonly message?: (message: Message) => Message;
    },
  ): void {
    this.liar.lie = (told) => {
      if (told.kind !== "holders") return message(told);
      for (const entry of told.holders) this.known.set(entry.account, entry);
      return message({ ...told, holders: told.holders.map(holder) });
    };
  }

  fetch(name: string): Promise<Line[]> {
    return this.bob.run(`fetch "${name}" --timeout 1s`);
  }

  /** Asserts that alice's next file is not to be had, and why. */
  async assertRefused(code: string, text: string): Promise<void> {
    const lines = await this.fetch("alice's next.txt");
    const error = ofType({ lines }, "error").at(-1);
    assertEquals(error?.["code"], code, `for ${text}: ${JSON.stringify(lines)}`);
    assertStringIncludes(error?.["message"] as string, text);
    assert(!(await listFiles(this.stage.path("files-bob"))).includes("alice's next.txt"));
  }

  /** A holder's ticket, opened with the coordinator's keys. */
  openTicketOf({ deviceId, ticket }: HolderEntry): Ticket {
    const opened = openTicket(ticketKeysFor(this.ticketRoot, Date.now(), deviceId), ticket);
    if (!opened.ok) throw new Error(opened.error);
    return opened.value;
  }

  /** A ticket for a holder that says something else. */
  changedTicket(holder: HolderEntry, changes: Partial<Ticket>): Uint8Array<ArrayBuffer> {
    const day = ticketDay(Date.now());
    const key = ticketKeyFor(this.ticketRoot, day, holder.deviceId);
    return sealTicket(key, day, random(12), { ...this.openTicketOf(holder), ...changes });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function random(size: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(size));
}

Deno.test("a swapped certificate, an invented device and another device's address are found out by who fetches", async () => {
  await using scene = await Scene.open();
  const carol = scene.known.get("carol")!;
  scene.lieAbout({ holder: (entry) => ({ ...entry, certificate: carol.certificate }) });
  await scene.assertRefused("untrusted", "its certificate is of another device");

  scene.lieAbout({ holder: (entry) => ({ ...entry, endpoints: carol.endpoints }) });
  await scene.assertRefused("unfinished", "another device answers there");

  const device = signingKeyFrom(random(32));
  const invented = { deviceId: deviceIdFrom(device.publicKey), certificate: await makeCertificate(device) };
  scene.lieAbout({ holder: (entry) => ({ ...entry, ...invented }) });
  await scene.assertRefused("untrusted", "the account has not signed this device");

  const account = signingKeyFrom(random(32));
  const deviceSignature = signDevice(account, "alice", invented.deviceId);
  scene.lieAbout({ holder: (entry) => ({ ...entry, ...invented, accountKey: account.publicKey, deviceSignature }) });
  await scene.assertRefused("untrusted", "another key than the one remembered here");

  // Carol's device, passed off as alice's.
  scene.lieAbout({ holder: (entry) => ({ ...carol, account: "alice", label: entry.label, ticket: entry.ticket }) });
  await scene.assertRefused("untrusted", "the account has not signed this device");

  scene.lieAbout({});
  assertEquals(ofType({ lines: await scene.fetch("alice's next.txt") }, "fetched").length, 1, "the truth still works");
});

Deno.test("on first contact the coordinator can be anyone, and afterwards only that one", async () => {
  await using scene = await Scene.open();
  const account = signingKeyFrom(random(32));
  const { deviceId } = scene.known.get("alice")!;
  const deviceSignature = signDevice(account, "alice", deviceId);
  scene.lieAbout({ holder: (entry) => ({ ...entry, accountKey: account.publicKey, deviceSignature }) });
  await scene.assertRefused("untrusted", "another key than the one remembered here");
  const fresh = await Session.open(scene.stage, "bob", "fresh");
  assertEquals(
    ofType({ lines: await fresh.run(`fetch "alice's next.txt"`) }, "fetched").length,
    1,
    said(fresh.program),
  );
  scene.lieAbout({});
  const [refused] = ofType({ lines: await fresh.run("fetch alice.txt --timeout 1s") }, "error");
  assertEquals(refused?.["code"], "untrusted", said(fresh.program));
});

Deno.test("tickets that are forged, expired, another holder's or another device's open nothing at a holder", async () => {
  await using scene = await Scene.open();
  const carol = scene.known.get("carol")!;
  const ticketOf = (change: (entry: HolderEntry) => Uint8Array<ArrayBuffer>) =>
    scene.lieAbout({ holder: (entry) => ({ ...entry, ticket: change(entry) }) });

  ticketOf((entry) => random(entry.ticket.length));
  await scene.assertRefused("denied", "a ticket of another day");
  ticketOf((entry) => entry.ticket.map((byte, i) => i === 40 ? byte ^ 1 : byte));
  await scene.assertRefused("denied", "a ticket that is not for this holder");
  ticketOf(() => carol.ticket);
  await scene.assertRefused("denied", "a ticket that is not for this holder");
  ticketOf((entry) => scene.changedTicket(entry, { expiresAtMs: Date.now() - 1_000 }));
  await scene.assertRefused("denied", "an expired ticket");
  ticketOf((entry) => scene.changedTicket(entry, { deviceId: carol.deviceId }));
  await scene.assertRefused("denied", "a ticket of another device");
  // Bob's device, passed off as carol's at alice.
  ticketOf((entry) => scene.changedTicket(entry, { account: "carol" }));
  await scene.assertRefused("untrusted", "a device that its account has not signed");

  // A ticket of bob's is worth nothing to another device of his.
  let bobs: Uint8Array<ArrayBuffer> | undefined;
  ticketOf((entry) => bobs ??= entry.ticket);
  assertEquals(ofType({ lines: await scene.fetch("alice's next.txt") }, "fetched").length, 1);
  const other = await Session.open(scene.stage, "bob", "other");
  const [refused] = ofType({ lines: await other.run(`fetch "alice's next.txt" --timeout 1s`) }, "error");
  assertEquals(refused?.["code"], "denied", said(other.program));
});

Deno.test("a name that is paired with another id yields the content of that id, and a wrong size or content none", async () => {
  await using scene = await Scene.open();
  const truth = new Map<string, MessageOf<"files">["files"][number]>();
  scene.lieAbout({
    message(told) {
      if (told.kind === "files") { for (const file of told.files) truth.set(file.name, file); }
      return told;
    },
  });
  await scene.bob.run("find txt");
  const other = truth.get("carol's next.txt")!;

  // The ticket decides what a holder serves, and the id what is taken.
  const { id, bytes } = truth.get("alice.txt")!;
  const ticketFor = (changes: Partial<Ticket>) =>
    scene.lieAbout({ holder: (entry) => ({ ...entry, ticket: scene.changedTicket(entry, changes) }) });
  ticketFor({ id, bytes: bytes + 1 });
  await scene.assertRefused("notFound", "it is not shared here");
  ticketFor({ id, bytes });
  await scene.assertRefused("integrity", "alice (");

  const pair = (id: typeof other.id, bytes: number) =>
    scene.lieAbout({
      message: (told) =>
        told.kind === "files"
          ? {
            ...told,
            files: told.files.map((file) => file.name === "alice's next.txt" ? { ...file, id, bytes } : file),
          }
          : told,
    });
  pair(other.id, other.bytes);
  const [fetched] = ofType({ lines: await scene.fetch("alice's next.txt") }, "fetched");
  assertEquals(fetched?.["id"], other.id, said(scene.bob.program));
  const path = fetchedPath(scene.stage, "bob", "alice's next.txt");
  assertEquals(await Deno.readTextFile(path), "content of carol's next.txt");
});

Deno.test("an account key that the coordinator altered ends the login with exit 8", async () => {
  await using scene = await Scene.open();
  scene.lieAbout({
    message(told) {
      if (told.kind !== "authenticated" || told.accountKey === null) return told;
      const sealed = told.accountKey.sealed.map((byte, i) => i === 20 ? byte ^ 1 : byte);
      return { ...told, accountKey: { ...told.accountKey, sealed } };
    },
  });
  assertFailed(await scene.stage.peer("alice", ["peers"], { home: "alice2" }).end(), 8, "integrity");
});
