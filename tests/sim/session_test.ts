import { assert, assertEquals } from "@std/assert";
import type { ContentId } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { fairWeather, type Flight, foulWeather, type Weather } from "./network.ts";
import { seeded } from "./seeded.ts";
import type { SimPeer } from "./sim_peer.ts";
import { simulate, World } from "./world.ts";
import { forEveryone } from "../../lib/core/audience.ts";

Deno.test("a device that logs in twice has one session: the newer one, and the older is told why", async () => {
  await simulate(foulWeather, async (world) => {
    const deviceSeed = world.random.bytes(32);
    const older = await world.addPeer("vm", { account: "ada", deviceSeed });
    const otherDevice = await world.addPeer("vm", { account: "ada" });
    await world.logIn(older);
    await world.logIn(otherDevice);
    assertEquals([older.identity!.label, otherDevice.identity!.label], ["vm", "vm-2"]);
    const newer = await world.addPeer("vm", { account: "ada", deviceSeed });
    newer.login();
    const isDenied = (peer: typeof older) => peer.events.at(-1)?.kind === "denied";
    // A lost CLOSE makes the older one come back and push the newer out in its turn; in the end one is left.
    await world.until("one of the two is out", () => isDenied(older) !== isDenied(newer), 600_000);
    const [out, stays] = isDenied(older) ? [older, newer] : [newer, older];
    await world.until("the other is online", () => stays.isOnline);
    await world.pass(120_000);
    const last = out.events.at(-1)!;
    assert(last.kind === "denied" && last.error.code === "sessionEnded");
    assert(stays.isOnline && otherDevice.isOnline);
    assert(otherDevice.events.every((event) => event.kind !== "denied"), "another key's session is never ended");
    assertEquals(world.coordinator.role.figures().sessions, 2);
  });
});

Deno.test("two devices that make an account's key at once agree on one of them", async () => {
  await simulate(foulWeather, async (world) => {
    for (let i = 0; i < 4; i++) await world.addPeer(`vm${i}`, { account: "ada" });
    await world.logIn(...world.peers);
    const keys = new Set(world.peers.map((peer) => String(peer.identity!.accountKey)));
    assertEquals(keys.size, 1);
  });
});

const isFollowed = ({ alive, endpoint }: SimPeer) => {
  return alive?.observed.ip === endpoint.ip && alive.observed.port === endpoint.port;
};

Deno.test("a session follows its device to a new address after a challenge, without another login", async () => {
  await simulate(fairWeather, async (world) => {
    for (let i = 0; i < 20; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    for (const peer of world.peers) peer.move(world.newEndpoint());
    await world.until("every session has moved", () => world.peers.every(isFollowed));
    for (const peer of world.peers) assertEquals(peer.events.map((event) => event.kind), ["online"]);
    assertEquals(world.coordinator.log.filter(({ event }) => event === "moved").length, world.peers.length);
  });
});

Deno.test("peers that change their addresses again and again under 20 % loss are online at the last one", async () => {
  await simulate(foulWeather, async (world) => {
    for (let i = 0; i < 10; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    for (let round = 0; round < 5; round++) {
      for (const peer of world.peers) peer.move(world.newEndpoint());
      await world.pass(world.random.below(20_000));
    }
    await world.until("everybody is followed", () => world.peers.every((peer) => peer.isOnline && isFollowed(peer)));
    assert(world.peers.every((peer) => peer.events.every((event) => event.kind !== "denied")));
  });
});

Deno.test("whoever replays every datagram that he saw, from an address of his own, changes nothing and is told little", async () => {
  await simulate(fairWeather, async (world) => {
    const attacker = world.newEndpoint();
    const { coordinator } = world;
    const seen: Flight[] = [];
    let bytesToAttacker = 0;
    let bytesFromAttacker = 0;
    world.network.attach(attacker, ({ bytes }) => bytesToAttacker += bytes.length);
    world.network.listener = (flight) => seen.push(flight);
    for (let i = 0; i < 6; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    const id = "1".repeat(64) as ContentId;
    for (const peer of world.peers) peer.share([{ name: "a", id, bytes: 1 + world.random.below(9), ...forEveryone }]);
    await world.pass(60_000);
    const [leaver, vanished, ...others] = world.peers;
    leaver!.feed({ kind: "leave" });
    world.network.isCutOff = ({ ip }) => ip === vanished!.endpoint.ip;
    await world.pass(15_000);
    world.network.listener = undefined;

    const loginsBefore = coordinator.role.figures().logins;
    const storedBefore = await coordinator.store.figures();
    for (let round = 0; round < 6; round++) {
      for (const { bytes, to } of seen) {
        // To the coordinator, what it sent itself too; and in its name to the peer that it was for.
        world.network.send(attacker, coordinator.endpoint, bytes);
        bytesFromAttacker += bytes.length;
        if (to !== coordinator.endpoint) world.network.send(coordinator.endpoint, to, bytes);
      }
      await world.pass(limits.keepAliveMs);
    }
    assertEquals(coordinator.role.figures().logins, loginsBefore);
    assertEquals(await coordinator.store.figures(), { ...storedBefore, online: others.length });
    assertEquals(coordinator.log.filter(({ event }) => event === "moved"), []);
    for (const peer of others) {
      assertEquals(peer.events.map((event) => event.kind), ["online"]);
      assertEquals(peer.alive!.observed, peer.endpoint);
    }
    assertEquals(leaver!.events.map((event) => event.kind), ["online", "left"]);
    for (const peer of [leaver!, vanished!]) {
      assert(!await world.seesOnline(peer), "nobody lives by what he said before");
    }
    assert(bytesToAttacker < bytesFromAttacker / 2, `${bytesToAttacker} bytes for ${bytesFromAttacker}`);
  });
});

Deno.test("whoever forwards a peer's datagrams before they arrive cannot take its session over", async () => {
  await simulate(fairWeather, async (world) => {
    const attacker = world.newEndpoint();
    const peer = await world.addPeer("ada");
    await world.logIn(peer);
    world.network.attach(attacker, () => {});
    // He is faster than the network: his copy arrives first, from his address, under a number that is new.
    world.network.listener = ({ from, bytes }) => {
      if (from !== peer.endpoint) return;
      world.coordinator.feed({ kind: "datagram", from: attacker, bytes });
    };
    await world.pass(limits.keepAliveMs * 6);
    assertEquals(world.coordinator.log.filter(({ event }) => event === "moved"), []);
    assertEquals(peer.events.map((event) => event.kind), ["online"]);
    assertEquals(peer.alive!.observed, peer.endpoint);
  });
});

Deno.test("a world's history depends on its seed alone", async () => {
  const history = async (seed: number, weather: Weather) => {
    await using world = new World(seed, weather);
    const lines: string[] = [];
    world.network.listener = ({ from, to, bytes }) => {
      lines.push(`${world.clock.nowMs} ${from.ip} ${to.ip} ${bytes[1]} ${bytes.length}`);
    };
    for (let i = 0; i < 5; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    await world.pass(30_000);
    return lines;
  };
  const seed = seeded(Date.now()).below(2 ** 31);
  const first = await history(seed, foulWeather);
  assertEquals(await history(seed, foulWeather), first, `seed ${seed}`);
  assert(JSON.stringify(await history(seed + 1, foulWeather)) !== JSON.stringify(first));
});
