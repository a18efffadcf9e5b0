import { assert, assertEquals } from "@std/assert";
import { formatHex } from "../../lib/core/bytes.ts";
import type { ContentId } from "../../lib/core/ids.ts";
import { verifyDevice } from "../../lib/session/proofs.ts";
import { openTicket } from "../../lib/session/ticket.ts";
import type { ShareEntry } from "../../lib/wire/message.ts";
import { fairWeather, foulWeather } from "./network.ts";
import { simulate, type World } from "./world.ts";
import { forEveryone } from "../../lib/core/audience.ts";

/** Distinct contents under distinct names that all hold this word. */
function entries(world: World, word: string, count: number): ShareEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `${word}/${i} of ${count}.bin`,
    id: formatHex(world.random.bytes(32)) as ContentId,
    bytes: 1 + world.random.below(1_000_000),
    ...forEveryone,
  }));
}

Deno.test("shares appear exactly once, however often their SHARE is lost, repeated and doubled", async () => {
  await simulate({ ...foulWeather, duplicates: 0.5 }, async (world) => {
    for (const name of ["ada", "bob", "cleo", "dan"]) await world.addPeer(name);
    const sharers = world.peers;
    const lists = sharers.map((peer) => entries(world, peer.account, 60));
    await world.logIn(...sharers);
    sharers.forEach((peer, i) => peer.share(lists[i]!));
    await world.until("every list is confirmed", () => sharers.every((peer) => peer.isAnnounced), 240_000);
    const key = (entry: ShareEntry) => `${entry.name} ${entry.id} ${entry.bytes}`;
    for (const [i, peer] of sharers.entries()) {
      const listed = await world.listFiles(peer, "device");
      assertEquals(listed.map(key).sort(), lists[i]!.map(key).sort());
      assert(listed.every((file) => file.holders === 1 && !file.withdrawn));
    }
    const found = await world.search(sharers[0]!, "substring", "of 60");
    assertEquals(found.map(key).sort(), lists.flat().map(key).sort());
  });
});

Deno.test("a file that two devices share is one hit with two holders, and both are located with tickets that open", async () => {
  await simulate(fairWeather, async (world) => {
    const holders = [await world.addPeer("ada"), await world.addPeer("bob")];
    const fetcher = await world.addPeer("eve");
    const [entry] = entries(world, "film", 1);
    await world.logIn(...world.peers);
    for (const [i, holder] of holders.entries()) {
      holder.serve(4_000 + i);
      holder.share([entry!]);
    }
    await world.until("both lists are confirmed", () => holders.every((peer) => peer.isAnnounced));
    const [hit, ...more] = await world.search(fetcher, "glob", "film/*");
    assertEquals([hit?.name, hit?.holders, more.length], [entry!.name, 2, 0]);
    const content = { id: entry!.id, bytes: entry!.bytes };
    const located = await world.ask(fetcher, { kind: "locate", content, offer: false, cursor: new Uint8Array(0) });
    assertEquals(located.holders.map((holder) => holder.account).sort(), ["ada", "bob"]);
    for (const found of located.holders) {
      const holder = holders.find((peer) => peer.account === found.account)!;
      assertEquals(found.endpoints, [{ ip: holder.endpoint.ip, port: holder.tcpPort }]);
      assertEquals(found.certificate, holder.certificate);
      assert(verifyDevice(found.accountKey, found.deviceSignature, found.account, found.deviceId));
      const ticket = openTicket(holder.alive!.ticketKeys, found.ticket);
      assert(ticket.ok);
      assertEquals([ticket.value.account, ticket.value.deviceId], ["eve", fetcher.identity!.deviceId]);
      const others = holders.find((peer) => peer !== holder)!;
      assert(!openTicket(others.alive!.ticketKeys, found.ticket).ok, "a ticket opens at its holder alone");
    }
    // The other size under the same root is another content.
    const other = { ...content, bytes: content.bytes + 1 };
    const none = await world.ask(fetcher, { kind: "locate", content: other, offer: false, cursor: new Uint8Array(0) });
    assertEquals(none.holders, []);
  });
});

Deno.test("a removal by one device of an account reaches the other, and what was removed is found by nobody", async () => {
  await simulate(foulWeather, async (world) => {
    const laptop = await world.addPeer("laptop", { account: "ada" });
    const desktop = await world.addPeer("desktop", { account: "ada" });
    const other = await world.addPeer("bob");
    const [kept, removed] = entries(world, "song", 2);
    await world.logIn(laptop);
    await world.logIn(desktop, other);
    desktop.share([kept!, removed!]);
    await world.until("the list is confirmed", () => desktop.isAnnounced, 120_000);
    const answer = await world.ask(laptop, { kind: "remove", names: [removed!.name], scope: "account" });
    assertEquals(answer.count, 1);
    await world.until("the holder is told", () => desktop.events.some((event) => event.kind === "revoked"));
    const [revoked] = desktop.events.filter((event) => event.kind === "revoked");
    assertEquals(revoked!.contents, [{ id: removed!.id, bytes: removed!.bytes }]);
    await world.pass(60_000); // Nor is it announced again by whoever held it.
    const found = await world.search(other, "substring", "song");
    assertEquals(found.map((file) => file.name), [kept!.name]);
  });
});
