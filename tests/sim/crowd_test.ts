import { assert, assertEquals } from "@std/assert";
import { foulWeather } from "./network.ts";
import { simulate } from "./world.ts";

const crowd = 200;

Deno.test("200 peers log in under 20 % loss, duplicates and reordering, and each sees all the others", async () => {
  await simulate(foulWeather, async (world) => {
    for (let i = 0; i < crowd; i++) await world.addPeer(`person${i}`);
    await world.logIn(...world.peers);
    assert(world.network.delivered < 0.95 * world.network.sent, "the weather is foul");
    const second = world.peers.filter((peer) => peer.events.some((event) => event.kind === "offline"));
    assert(second.length <= crowd / 20, `${second.length} needed a second attempt: lost steps are repeated within one`);
    const names = world.peers.map((peer) => peer.account).sort();
    for (const [, seen] of await world.listPeers(world.peers)) {
      assertEquals(seen.map((entry) => entry.account).sort(), names);
      assert(seen.every((entry) => entry.online));
    }
    assertEquals(
      world.coordinator.role.figures().sessions,
      crowd,
      "one session each, however often things were repeated",
    );
    const denied = world.peers.filter((peer) => peer.events.some((event) => event.kind === "denied"));
    assertEquals(denied, [], "nothing that the network does looks like a wrong password");
  });
});
