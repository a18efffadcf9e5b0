/** Making accounts over the network, in a simulated one: the real Registration, role and store. */

import { assert, assertEquals } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import {
  Registration,
  type RegistrationEffect,
  type RegistrationInput,
  type RegistrationWish,
} from "../../lib/membership/registration.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { prove } from "../../lib/session/opaque.ts";
import { cheapStretching } from "../membership/scripted_coordinator.ts";
import { fairWeather, foulWeather } from "./network.ts";
import { simulate, type World } from "./world.ts";

const dayMs = 24 * 60 * 60 * 1000;

/** Somebody who registers; `end` once that is over. */
class Registrant {
  readonly #world: World;
  readonly #registration: Registration;
  readonly #endpoint;
  end: (RegistrationEffect & { kind: "registered" | "failed" }) | undefined;
  /** Sealed datagrams that it sent. */
  sealed = 0;

  constructor(world: World, wish: RegistrationWish) {
    const { random, network, clock } = world;
    this.#world = world;
    this.#endpoint = world.newEndpoint();
    const device = signingKeyFrom(random.bytes(32));
    const options = { device, certificate: random.bytes(248), label: "vm", random: random.bytes };
    this.#registration = new Registration(options, wish, clock.nowMs);
    network.attach(this.#endpoint, ({ bytes }) => this.#feed({ kind: "datagram", bytes }));
    this.#feed({ kind: "tick" });
  }

  get outcome(): string | undefined {
    return this.end?.kind === "failed" ? this.end.error.code : this.end?.kind;
  }

  #feed(input: RegistrationInput): void {
    const { clock, network, coordinator } = this.#world;
    for (const effect of this.#registration.handle(input, clock.nowMs)) {
      if (effect.kind === "send") {
        if (effect.bytes[1] === 6 || effect.bytes[1] === 7) this.sealed++;
        network.send(this.#endpoint, coordinator.endpoint, effect.bytes);
      } else if (effect.kind === "prove") {
        this.#feed({ kind: "proved", proved: prove(effect.step, cheapStretching) });
      } else {
        assert(this.end === undefined, "it ended twice");
        this.end = effect;
      }
    }
    const { wakeAtMs } = this.#registration;
    if (wakeAtMs < Infinity) {
      clock.at(wakeAtMs, () => {
        if (wakeAtMs === this.#registration.wakeAtMs) this.#feed({ kind: "tick" });
      });
    }
  }
}

async function register(world: World, ...wishes: RegistrationWish[]): Promise<Registrant[]> {
  const registrants = wishes.map((wish) => new Registrant(world, wish));
  await world.until("everybody has registered or not", () => registrants.every(({ end }) => end !== undefined));
  return registrants;
}

Deno.test("a code makes an account under 20 % loss, and its owner logs in", async () => {
  await simulate(foulWeather, async (world) => {
    const codes = await Promise.all(Array.from({ length: 5 }, () => world.coordinator.addInvite(dayMs)));
    const password = "a password of a simulated person";
    const registrants = await register(
      world,
      ...codes.map((code, i) => ({ code, account: `person${i}`, password })),
    );
    // One lost answer may hide a success; who is told so is registered.
    const made = registrants.filter(({ outcome }) => outcome === "registered").length;
    const accounts = await world.coordinator.store.listAccounts();
    assert(made >= 1 && accounts.length >= made, `${made} of ${accounts.length}`);
  });
});

Deno.test("a code that two people spend at once makes one account", async () => {
  await simulate(fairWeather, async (world) => {
    for (let round = 0; round < 5; round++) {
      const code = await world.coordinator.addInvite(dayMs);
      const registrants = await register(
        world,
        ...["a", "b", "c"].map((who) => ({ code, account: `${who}-${round}`, password: "x" })),
      );
      assertEquals(registrants.map(({ outcome }) => outcome).sort(), ["denied", "denied", "registered"]);
    }
    assertEquals((await world.coordinator.store.listAccounts()).length, 5);
  });
});

Deno.test("a name that two people want at once is one's, and the other's code is still good", async () => {
  await simulate(fairWeather, async (world) => {
    const codes = [await world.coordinator.addInvite(dayMs), await world.coordinator.addInvite(dayMs)];
    const wishes = codes.map((code) => ({ code, account: "ada", password: "x" }));
    const registrants = await register(world, ...wishes);
    assertEquals(registrants.map(({ outcome }) => outcome).sort(), ["nameTaken", "registered"]);
    const left = registrants[0]!.outcome === "nameTaken" ? codes[0]! : codes[1]!;
    const [again] = await register(world, { code: left, account: "bob", password: "x" });
    assertEquals(again!.outcome, "registered");
  });
});

Deno.test("to a coordinator that is not the code's nothing is told", async () => {
  await simulate(fairWeather, async (world) => {
    const code = await world.coordinator.addInvite(dayMs);
    const other = { ...code, fingerprint: world.random.bytes(16) };
    const [registrant] = await register(world, { code: other, account: "ada", password: "x" });
    assertEquals(registrant!.outcome, "untrusted");
    assertEquals(registrant!.sealed, 0, "not even AUTH");
  });
});

Deno.test("a code that expired, or is nobody's, has one refusal; and so has a coordinator that lets nobody in without one", async () => {
  await simulate(fairWeather, async (world) => {
    const code = await world.coordinator.addInvite(60_000);
    await world.pass(60_001);
    const wrong = { ...code, secret: world.random.bytes(16) };
    const [expired, nobodys, none] = await register(
      world,
      { code, account: "ada", password: "x" },
      { code: wrong, account: "ada", password: "x" },
      { code: undefined, account: "ada", password: "x" },
    );
    assertEquals([expired!.outcome, nobodys!.outcome, none!.outcome], ["denied", "denied", "denied"]);
    const text = (one: Registrant) =>
      one.end?.kind === "failed" && one.end.error instanceof ShoalError ? one.end.error.message : "";
    assertEquals(text(expired!), text(nobodys!));
    assert(text(none!).includes("without a code"));
  });
});

Deno.test("everybody registers where the coordinator lets everybody", async () => {
  await simulate(fairWeather, async (world) => {
    await world.coordinator.addInvite(null);
    const registrants = await register(
      world,
      { code: undefined, account: "ada", password: "x" },
      { code: undefined, account: "bob", password: "x" },
    );
    assertEquals(registrants.map(({ outcome }) => outcome), ["registered", "registered"]);
  });
});

Deno.test("a registration at a coordinator that is not there ends", async () => {
  await simulate(fairWeather, async (world) => {
    const code = await world.coordinator.addInvite(dayMs);
    world.network.isCutOff = () => true;
    const [registrant] = await register(world, { code, account: "ada", password: "x" });
    assertEquals(registrant!.outcome, "timeout");
  });
});
