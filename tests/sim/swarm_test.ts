import { assert, assertEquals } from "@std/assert";
import { formatHex } from "../../lib/core/bytes.ts";
import type { Content, ContentId } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { hashSet, openSetTicket, openTicket } from "../../lib/session/ticket.ts";
import { forEveryone } from "../../lib/core/audience.ts";
import type { HolderEntry, ReportReason } from "../../lib/wire/message.ts";
import { foulWeather } from "./network.ts";
import type { SimPeer } from "./sim_peer.ts";
import { simulate, type World } from "./world.ts";

/** All pages of LOCATE. */
async function locate(world: World, peer: SimPeer, content: Content, offer = false): Promise<readonly HolderEntry[]> {
  const all: HolderEntry[] = [];
  let cursor: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  do {
    const page = await world.ask(peer, { kind: "locate", content, offer, cursor });
    all.push(...page.holders);
    cursor = page.cursor;
  } while (cursor.length > 0);
  return all;
}

/** `ada` for a whole holder, `(ada)` for a partial one, whole ones first, each kind in the order of the alphabet. */
function named(entries: readonly HolderEntry[]): readonly string[] {
  const of = (whole: boolean) => entries.filter((one) => one.whole === whole).map((one) => one.account).toSorted();
  return [...of(true), ...of(false).map((account) => `(${account})`)];
}

async function swarm(world: World, names: readonly string[]): Promise<readonly SimPeer[]> {
  const peers: SimPeer[] = [];
  for (const name of names) peers.push(await world.addPeer(name));
  await world.logIn(...peers);
  for (const [i, peer] of peers.entries()) peer.serve(4_000 + i);
  await world.until("all are dialled back", () => peers.every((peer) => peer.alive?.reachable === "yes"));
  return peers;
}

function newContent(world: World): Content {
  return { id: formatHex(world.random.bytes(32)) as ContentId, bytes: 1 + world.random.below(1_000_000) };
}

Deno.test("partial holders come and go in foul weather, and who is named is who has it or still offers it", async () => {
  await simulate(foulWeather, async (world) => {
    const names = ["seed", "done1", "done2", "stops", "leaves", "vanishes", "forgets", "stays1", "stays2", "asks"];
    const peers = await swarm(world, names);
    const [seed, done1, done2, stops, leaves, vanishes, forgets, stays1, stays2, asks] = peers as SimPeer[];
    const content = newContent(world);
    const entry = { name: "film.bin", ...content, ...forEveryone };
    seed!.share([entry]);
    await world.until("the seed is announced", () => seed!.isAnnounced, 120_000);
    for (const peer of peers.slice(1, -1)) {
      const found = await locate(world, peer, content, true);
      assert(found.every((one) => one.account !== peer.account), "nobody is named to himself");
    }
    const all = await locate(world, asks!, content);
    assertEquals(named(all), ["seed", ...names.slice(1, -1).toSorted().map((name) => `(${name})`)]);
    for (const { account, ticket, endpoints, certificate } of all) {
      const holder = peers.find((peer) => peer.account === account)!;
      assert(openTicket(holder.alive!.ticketKeys, ticket).ok, `${account} lets the asker in`);
      assertEquals([endpoints, certificate], [
        [{ ip: holder.endpoint.ip, port: holder.tcpPort }],
        holder.certificate,
      ]);
    }

    for (const peer of [done1!, done2!]) peer.share([entry]);
    await locate(world, stops!, content, false);
    leaves!.feed({ kind: "leave" });
    world.network.detach(vanishes!.endpoint);
    world.network.isCutOff = ({ ip }) => ip === vanishes!.endpoint.ip;
    const stay = async (ms: number) => {
      for (let left = ms; left > 0; left -= limits.offerMs / 4) {
        for (const peer of [stays1!, stays2!]) await locate(world, peer, content, true);
        await world.pass(limits.offerMs / 4);
      }
    };
    await stay(limits.offerMs + 10_000);
    await world.until("the new ones are announced", () => done1!.isAnnounced && done2!.isAnnounced, 120_000);
    for (const peer of [stays1!, stays2!]) await locate(world, peer, content, true);
    const wholes = ["done1", "done2", "seed"];
    assertEquals(named(await locate(world, asks!, content)), [...wholes, "(stays1)", "(stays2)"]);
    assertEquals(named(await locate(world, forgets!, content)), [...wholes, "(stays1)", "(stays2)"]);

    await world.coordinator.restart();
    await world.until("they are back", () => world.coordinator.role.figures().sessions === 8, 120_000);
    await world.until("and dialled back", () => peers.every((peer) => peer.alive?.reachable === "yes"), 120_000);
    for (const peer of [stays1!, stays2!]) await locate(world, peer, content, true);
    assertEquals(named(await locate(world, asks!, content)), [...wholes, "(stays1)", "(stays2)"], "they offer again");

    for (const peer of [seed!, done1!, done2!]) peer.feed({ kind: "leave" });
    // A LEAVE may be lost; then silence tells.
    await stay(limits.keepAliveMs * limits.keepAliveMisses + 1_000);
    for (const peer of [stays1!, stays2!]) await locate(world, peer, content, true);
    assertEquals(named(await locate(world, stays1!, content, true)), ["(stays2)"], "they have each other");
  });
});

Deno.test("askers are spread over the holders of a content, and tickets and reports survive loss and repetition", async () => {
  await simulate(foulWeather, async (world) => {
    const names = ["ada", "bob", "cyd", "dan", "eve", "fay"];
    const peers = await swarm(world, names);
    const holders = peers.slice(0, 4);
    const askers = peers.slice(4);
    const contents = Array.from({ length: limits.setMax }, () => {
      return { ...newContent(world), bytes: 1 + world.random.below(limits.takenBytesMax) };
    });
    for (const holder of holders) {
      holder.share(contents.map((content, i) => ({ name: `${i}.bin`, ...content, ...forEveryone })));
    }
    await world.until("all is announced", () => holders.every((peer) => peer.isAnnounced), 240_000);
    const firsts = new Set<string>();
    for (const content of [...contents, ...contents]) {
      firsts.add((await locate(world, askers[0]!, content))[0]!.account);
    }
    assertEquals([...firsts].toSorted(), ["ada", "bob", "cyd", "dan"], "each is somebody's first");

    const [ada] = holders;
    const deviceId = ada!.identity!.deviceId;
    for (let at = 0; at < contents.length; at += 12) {
      const some = contents.slice(at, at + 12);
      const { ticket, covered } = await world.ask(askers[0]!, { kind: "setTicket", deviceId, contents: some });
      assertEquals(covered, 2 ** some.length - 1);
      const read = openSetTicket(ada!.alive!.ticketKeys, ticket!);
      assert(read.ok);
      assertEquals(read.value.setHash, hashSet(some));
    }

    const [content] = contents;
    for (const [i, asker] of askers.entries()) {
      const found = await locate(world, asker, content!);
      for (const account of i === 0 ? ["ada", "bob"] : ["ada"]) {
        const { deviceId, ticket } = found.find((one) => one.account === account)!;
        const reason: ReportReason = "wrongPiece";
        assertEquals((await world.ask(asker, { kind: "report", deviceId, ticket, reason })).kind, "done");
      }
    }
    assertEquals(world.coordinator.role.figures().reports, 3);
    for (const asker of askers) {
      const order = (await locate(world, asker, content!)).map(({ account }) => account);
      assertEquals([order.slice(0, 2).toSorted(), order.slice(2)], [["cyd", "dan"], ["bob", "ada"]]);
    }
  });
});
