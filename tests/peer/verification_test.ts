import { assertEquals, assertRejects } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import type { Command, PeerEvent } from "../../lib/peer/commands.ts";
import { parseReceipt, type Receipt } from "../../lib/peer/receipt.ts";
import { receiptEvent, verify } from "../../lib/peer/verification.ts";
import { hashed, pattern, type TempFolder, tempFolder } from "../content/fixtures.ts";
import { FakeControl, fileEntry } from "./fake_control.ts";

const bytes = pattern(300_000);
const { content } = hashed(bytes);

function receiptOf(path: string, name: string): Receipt {
  const times = { startedAtMs: 1, finishedAtMs: 2 };
  return { name, path, content, holders: [], fetchedBytes: 300_000, ...times, coordinator: "127.0.0.1:5000" };
}

/** Puts a file and answers a `verify` of it, where the network has `control` and this peer `receipts`. */
class World implements Disposable {
  readonly folder: TempFolder = tempFolder();
  readonly path = `${this.folder.path}/talk.pdf`;
  readonly control = new FakeControl();
  receipts: Receipt[] = [receiptOf(this.path, "talks/talk one.pdf")];

  constructor() {
    Deno.writeFileSync(this.path, bytes);
  }

  async verify(
    path: string,
    more: Partial<Extract<Command, { command: "verify" }>> = {},
  ): Promise<readonly PeerEvent[]> {
    const receipts = {
      receipts: (of: { path?: string; name?: string } = {}) =>
        this.receipts.filter((one) => (of.path ?? one.path) === one.path && (of.name ?? one.name) === one.name)
          .values() as Generator<Receipt>,
    };
    const parts = { control: this.control, receipts, signal: new AbortController().signal, emit: () => {} };
    const command = { command: "verify", path, word: path.slice(path.lastIndexOf("/") + 1), ...more } as const;
    return await Array.fromAsync(verify(command, parts as unknown as Parameters<typeof verify>[1]));
  }

  async codeOf(...asked: Parameters<World["verify"]>): Promise<string> {
    return (await assertRejects(() => this.verify(...asked), ShoalError)).code;
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

const verified = (path: string, name: string, by: "network" | "receipt"): PeerEvent => ({
  ...{ type: "verified", path, bytes: 300_000, id: content.id, name, by },
  type: "verified",
});

Deno.test("verify compares with the network, and with the receipt where nobody online has the name", async () => {
  using world = new World();
  assertEquals(await world.verify(world.path), [verified(world.path, "talks/talk one.pdf", "receipt")]);
  world.control.searchable = [{ ...fileEntry("talk.pdf", "a", 300_000), id: content.id }];
  assertEquals(await world.verify(world.path), [verified(world.path, "talk.pdf", "network")]);
  world.control.searchable = [fileEntry("talk.pdf", "a", 300_000)];
  assertEquals(await world.codeOf(world.path), "integrity");
  world.control.searchable = [];
  world.receipts = [];
  assertEquals(await world.codeOf(world.path), "notFound");
});

Deno.test("verify takes the name of a file that was fetched here, where no file has that path", async () => {
  using world = new World();
  const none = `${world.folder.path}/talk one.pdf`;
  const word = "talks/talk one.pdf";
  assertEquals(await world.verify(none, { word }), [verified(world.path, word, "receipt")]);
  Deno.writeFileSync(none, bytes);
  assertEquals(await world.codeOf(none, { word }), "notFound", "a file of that path comes first");
});

Deno.test("verify --receipt reads every byte again, by path, link, name or a receipt in a file, and says what it proves", async () => {
  using world = new World();
  // What the network says does not count.
  world.control.searchable = [fileEntry("talk.pdf", "a", 300_000)];
  const [link, line] = ["link.pdf", "receipt.json"].map((name) => `${world.folder.path}/${name}`) as [string, string];
  Deno.symlinkSync(world.path, link);
  Deno.writeTextFileSync(line, JSON.stringify(receiptEvent(world.receipts[0]!)));
  const ways = [[world.path], [link], [line], [`${world.folder.path}/x`, "talks/talk one.pdf"]] as const;
  for (const [path, word] of ways) {
    const [first, note, ...rest] = await world.verify(path, {
      byReceipt: true,
      ...(word === undefined ? {} : { word }),
    });
    assertEquals([first, note?.type, rest], [verified(world.path, "talks/talk one.pdf", "receipt"), "note", []]);
  }
  {
    using file = Deno.openSync(world.path, { write: true });
    file.seekSync(299_999, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array([bytes[299_999]! ^ 1]));
  }
  for (const [path, word] of ways) {
    const code = await world.codeOf(path, { byReceipt: true, ...(word === undefined ? {} : { word }) });
    assertEquals(code, "integrity");
  }
  Deno.removeSync(world.path);
  assertEquals(await world.codeOf(world.path, { byReceipt: true }), "notFound");
  assertEquals(await world.codeOf(`${world.folder.path}/y`, { byReceipt: true }), "notFound");
});

Deno.test("parseReceipt() reads what receipts --json prints, also with fields of a later release, and nothing else", () => {
  const receipt = receiptOf("/in/a", "a");
  const event = receiptEvent(receipt);
  assertEquals(parseReceipt(JSON.stringify({ ...event, v: 1, later: true })), receipt);
  const damaged = [
    { type: "verified" },
    { path: "in/a" },
    { id: "AB" },
    { bytes: -1 },
    { bytes: 2 ** 60 },
    { holders: [1] },
    { finishedAtMs: "2" },
  ];
  for (const change of damaged) assertEquals(parseReceipt(JSON.stringify({ ...event, ...change })), undefined);
  for (const text of ["", "{", "null", "[]"]) assertEquals(parseReceipt(text), undefined);
});
