import { assert, assertEquals } from "@std/assert";
import { fairWeather, foulWeather } from "./network.ts";
import type { SimPeer } from "./sim_peer.ts";
import { simulate, type World } from "./world.ts";

const deviceSeedOf = (number: number) => new Uint8Array(32).fill(number);

/** Starts a peer's device anew: all it has is its key and what its login left. */
function restart(world: World, peer: SimPeer, number: number): Promise<SimPeer> {
  return world.addPeer("vm", { account: "ada", deviceSeed: deviceSeedOf(number), enrolment: peer.identity! });
}

Deno.test("peers that are started again under 20 % loss prove no password, whatever else restarts", async () => {
  await simulate(foulWeather, async (world) => {
    const first: SimPeer[] = [];
    for (let i = 1; i <= 6; i++) first.push(await world.addPeer("vm", { account: "ada", deviceSeed: deviceSeedOf(i) }));
    await world.logIn(...first);
    for (const peer of first) peer.feed({ kind: "leave" });
    await world.until("all have left", () => first.every((peer) => peer.events.at(-1)?.kind === "left"));
    await world.coordinator.restart();
    const again = [];
    for (const [i, peer] of first.entries()) again.push(await restart(world, peer, i + 1));
    await world.logIn(...again);
    for (const [i, peer] of again.entries()) {
      assertEquals(peer.proofs, 0);
      assertEquals(peer.identity!.label, first[i]!.identity!.label);
      assertEquals(peer.identity!.accountKey, first[i]!.identity!.accountKey);
    }
    // A coordinator that restarts under running peers: they come back by their keys, one that began with a password too.
    const other = await world.addPeer("vm", { account: "ada" });
    await world.logIn(other);
    const { proofs } = other;
    const running = [other, ...again];
    await world.coordinator.restart();
    const logins = ({ events }: SimPeer) => events.filter(({ kind }) => kind === "online").length;
    await world.until("all are back", () => running.every((peer) => logins(peer) >= 2 && peer.isOnline), 240_000);
    assertEquals(running.map((peer) => peer.proofs), [proofs, ...again.map(() => 0)]);
  });
});

Deno.test("a revoked device is out at once, stays out by its key, and is let in by the password", async () => {
  await simulate(fairWeather, async (world) => {
    const lost = await world.addPeer("laptop", { account: "ada", deviceSeed: deviceSeedOf(1) });
    const owner = await world.addPeer("phone", { account: "ada", deviceSeed: deviceSeedOf(2) });
    await world.logIn(lost);
    await world.logIn(owner);
    await world.ask(owner, { kind: "revokeDevice", label: "laptop" });
    await world.until("it is told", () => lost.events.at(-1)?.kind === "denied");
    const { devices } = await world.ask(owner, { kind: "devices", cursor: new Uint8Array(0) });
    assertEquals(devices.map(({ label, online, enrolledAtMs }) => [label, online, enrolledAtMs !== null]), [
      ["laptop", false, false],
      ["phone", true, true],
    ]);
    const again = await restart(world, lost, 1);
    again.login();
    await world.until("it is refused", () => again.events.at(-1)?.kind === "denied");
    const denied = again.events.at(-1)!;
    assert(denied.kind === "denied" && denied.error.code === "denied");
    const byPassword = await world.addPeer("laptop", { account: "ada", deviceSeed: deviceSeedOf(1) });
    await world.logIn(byPassword);
    assertEquals(byPassword.identity!.label, "laptop");
    const byKey = await restart(world, byPassword, 1);
    await world.logIn(byKey);
    assertEquals(byKey.proofs, 0);
  });
});
