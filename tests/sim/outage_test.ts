import { assert, assertEquals } from "@std/assert";
import { formatHex } from "../../lib/core/bytes.ts";
import type { ContentId } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { forEveryone } from "../../lib/core/audience.ts";
import { fairWeather, foulWeather } from "./network.ts";
import { simulate } from "./world.ts";

const awayAfterMs = limits.keepAliveMs * limits.keepAliveMisses;

Deno.test("half the peers cut off for a minute are away after three misses, and back by themselves after it", async () => {
  await simulate(fairWeather, async (world) => {
    for (let i = 0; i < 40; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    const cut = world.peers.filter((_, i) => i % 2 === 0);
    const others = world.peers.filter((_, i) => i % 2 === 1);
    const cutIps = new Set(cut.map((peer) => peer.endpoint.ip));
    const onlineAmong = async (peers: typeof cut) => {
      const [[, seen] = []] = await world.listPeers(others.slice(0, 1));
      return seen!.filter((entry) => entry.online && peers.some((peer) => peer.account === entry.account)).length;
    };
    await world.pass(awayAfterMs);
    world.network.isCutOff = ({ ip }) => cutIps.has(ip);
    // The last keep-alive is at most one interval old: after two more nobody is away yet.
    await world.pass((limits.keepAliveMisses - 1) * limits.keepAliveMs - 1_000);
    assertEquals(await onlineAmong(cut), cut.length);
    await world.pass(limits.keepAliveMs + 2_000);
    assertEquals(await onlineAmong(cut), 0);
    assertEquals(await onlineAmong(others), others.length);
    assert(cut.every((peer) => !peer.isOnline), "each has noticed by itself");
    await world.pass(60_000 - awayAfterMs);
    world.network.isCutOff = () => false;
    await world.until("everybody is back", () => world.peers.every((peer) => peer.isOnline));
    assertEquals(await onlineAmong(cut), cut.length);
    assertEquals(world.coordinator.role.figures().sessions, world.peers.length);
    for (const peer of cut) {
      assertEquals(peer.events[0]!.kind, "online");
      assertEquals(peer.events.at(-1)!.kind, "online");
      assert(peer.events.slice(1, -1).every((event) => event.kind === "offline"));
    }
    for (const peer of others) assertEquals(peer.events.map((event) => event.kind), ["online"]);
  });
});

Deno.test("a cut of a few seconds costs nobody a session", async () => {
  await simulate(fairWeather, async (world) => {
    const peer = await world.addPeer("ada");
    await world.logIn(peer);
    const { ip } = peer.endpoint;
    world.network.isCutOff = (endpoint) => endpoint.ip === ip;
    await world.pass(limits.requestMs / 2);
    world.network.isCutOff = () => false;
    await world.pass(60_000);
    assertEquals(peer.events.map((event) => event.kind), ["online"]);
    assertEquals(world.coordinator.role.figures().logins, 1);
  });
});

Deno.test("after a coordinator restart all come back by themselves, and what was acknowledged is still there", async () => {
  await simulate(foulWeather, async (world) => {
    for (let i = 0; i < 40; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    for (const peer of world.peers) {
      const id = formatHex(world.random.bytes(32)) as ContentId;
      peer.share([{ name: `of ${peer.account}`, id, bytes: 9, ...forEveryone }]);
    }
    await world.until("every list is confirmed", () => world.peers.every((peer) => peer.isAnnounced), 180_000);
    const accountKeys = world.peers.map((peer) => peer.identity!.accountKey);
    await world.coordinator.restart();
    // Asked of a coordinator that does not know the session: answered in the next one.
    const asked = world.peers.map((peer) => peer.ask({ kind: "account", account: peer.account }));
    const { role } = world.coordinator;
    await world.until("everybody is back", () => role.figures().sessions === world.peers.length);
    await world.until("every request is settled", () => world.peers.every((peer, i) => peer.settled(asked[i]!)));
    for (const [i, peer] of world.peers.entries()) {
      const answer = peer.settled(asked[i]!);
      assert(!(answer instanceof Error) && answer?.kind === "accountIs", String(answer));
      assertEquals(answer.publicKey, accountKeys[i]!, "the account key is the one of before");
      assert(peer.events.every((event) => event.kind === "online" || event.kind === "offline"));
    }
    await world.until("everybody is online", () => world.peers.every((peer) => peer.isOnline));
    const found = await world.search(world.peers[0]!, "substring", "of person");
    assertEquals(found.length, world.peers.length);
    assert(found.every((file) => file.holders === 1));
  });
});

Deno.test("a restarted coordinator says so to whoever speaks to it: all are back within one keep-alive", async () => {
  await simulate(fairWeather, async (world) => {
    for (let i = 0; i < 20; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    await world.pass(30_000);
    await world.coordinator.restart();
    await world.pass(limits.keepAliveMs + 1_000);
    for (const peer of world.peers) {
      assertEquals(peer.events.map((event) => event.kind), ["online", "offline", "online"]);
    }
    assertEquals(world.coordinator.role.figures().sessions, world.peers.length);
  });
});

Deno.test("peers that a stopping coordinator says goodbye to come back to the next one", async () => {
  await simulate(fairWeather, async (world) => {
    for (let i = 0; i < 10; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    world.coordinator.feed({ kind: "drain", elsewhere: [], atOnce: 100 });
    await world.pass(1_000);
    assert(world.peers.every((peer) => !peer.isOnline));
    await world.coordinator.restart();
    await world.until("everybody is back", () => world.peers.every((peer) => peer.isOnline));
  });
});
