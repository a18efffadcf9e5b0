import { assert, assertEquals } from "@std/assert";
import { errorCodes } from "../../lib/core/errors.ts";
import { runSeed, seeded } from "../sim/seeded.ts";
import { MemberBench } from "./member_bench.ts";
import { ScriptedCoordinator } from "./scripted_coordinator.ts";

const runs = 20;
const stepsPerRun = 300;

Deno.test("Member never spins, never throws and settles each request once, whatever comes in whatever order", () => {
  const seed = runSeed();
  try {
    for (let run = 0; run < runs; run++) live(seed + run);
  } catch (error) {
    throw new Error(`with SIM_SEED=${seed}`, { cause: error });
  }
});

/** One life: random inputs, lost and repeated and damaged datagrams; then every request must have been settled. */
function live(seed: number): void {
  const random = seeded(seed);
  const bench = new MemberBench({ seed, areProofsHeld: seed % 2 === 0 });
  const coordinator = new ScriptedCoordinator();
  const asked = new Set<number>();
  const settled = new Set<number>();
  const seen: Uint8Array[] = [];
  let nextHandle = 1;

  const deliver = (bytes: Uint8Array) => {
    seen.push(bytes);
    if (random.chance(0.8)) bench.datagram(bytes);
    if (random.chance(0.1)) bench.datagram(damaged(random.pick(seen)));
    if (random.chance(0.2)) bench.datagram(random.pick(seen));
  };
  const damaged = (bytes: Uint8Array) => {
    const copy = bytes.slice(0, random.chance(0.5) ? bytes.length : random.below(bytes.length + 1));
    if (copy.length > 0) copy[random.below(copy.length)]! ^= 1 << random.below(8);
    return copy;
  };
  const actions = [
    () => bench.login(),
    () => bench.proofs.length > 0 && bench.prove(),
    () => bench.pass(random.below(30_000)),
    () => bench.pass(random.below(300)),
    () => {
      asked.add(nextHandle);
      bench.give({
        kind: "request",
        handle: nextHandle++,
        request: { kind: "account", account: "x" },
        timeoutMs: 1 + random.below(20_000),
      });
    },
    () => bench.give({ kind: "presence", tcpPort: random.below(3), shareDigest: new Uint8Array(32) }),
    () => bench.give({ kind: "tick" }),
    () => random.chance(0.1) && bench.give({ kind: "leave" }),
    () => bench.datagram(random.bytes(random.below(100))),
    () => inSession(() => deliver(coordinator.reset())),
    () => inSession(() => deliver(coordinator.seal(9, { kind: "revoke", contents: [], devices: [] }))),
    () =>
      inSession(() => deliver(coordinator.seal(0, { kind: "close", code: random.pick(closeCodes), elsewhere: [] }))),
    () => inSession(() => deliver(coordinator.seal(random.below(20), { kind: "done" }))),
  ];
  let everInSession = false;
  const inSession = (act: () => void) => {
    if (everInSession) act();
  };

  for (let step = 0; step < stepsPerRun; step++) {
    random.pick(actions)();
    for (const { bytes } of bench.sent.splice(0)) {
      if (random.chance(0.3)) continue;
      const finish = bytes[1] === 6;
      const answer = coordinator.tryAnswer(bytes);
      if (finish && answer !== undefined) everInSession = true;
      if (answer !== undefined) deliver(answer);
    }
    for (const event of bench.takeEvents()) {
      if (event.kind !== "answered" && event.kind !== "failed") continue;
      assert(asked.has(event.handle) && !settled.has(event.handle), `request ${event.handle} settled twice`);
      settled.add(event.handle);
    }
  }
  bench.pass(25_000);
  for (const event of bench.takeEvents()) {
    if (event.kind === "answered" || event.kind === "failed") settled.add(event.handle);
  }
  assertEquals(settled.size, asked.size, "every request was settled");
}

const closeCodes = [errorCodes.busy.wire, errorCodes.sessionEnded.wire, errorCodes.interrupted.wire];
