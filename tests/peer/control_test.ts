/** What a first login tells when this machine cannot do its part. */

import { assertEquals, assertRejects } from "@std/assert";
import { AsyncQueue } from "../../lib/core/async_queue.ts";
import { ShoalError } from "../../lib/core/errors.ts";
import type { Datagrams, Endpoint } from "../../lib/core/transport.ts";
import { Control } from "../../lib/peer/control.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { seeded } from "../sim/seeded.ts";
import { ScriptedCoordinator } from "../membership/scripted_coordinator.ts";

const coordinatorAt: Endpoint = { ip: "127.0.0.1", port: 5000 };
const ignore = () => {};
const listener = { online: ignore, alive: ignore, offline: ignore, denied: ignore, revoked: ignore, found: ignore };

/** A coordinator that answers HELLO. */
function helloOnly(): Datagrams {
  const coordinator = new ScriptedCoordinator();
  const answers = new AsyncQueue<Uint8Array>();
  return {
    local: { ip: "127.0.0.1", port: 4000 },
    async receive() {
      const bytes = await answers.next();
      return bytes && { bytes, from: coordinatorAt };
    },
    send(bytes) {
      answers.push(coordinator.cookie(bytes));
      return Promise.resolve();
    },
    close: () => answers.close(),
  };
}

Deno.test("a login fails, and nothing else does, where its password cannot be proved", async () => {
  const random = seeded(1);
  const options = {
    device: signingKeyFrom(random.bytes(32)),
    certificate: random.bytes(248),
    label: "laptop",
    random: (size: number) => random.bytes(size),
    prove: () => Promise.reject(new TypeError("Module not found")),
  };
  using control = new Control(helloOnly(), coordinatorAt, options, listener);
  const error = await assertRejects(() => control.login("ada", "correct horse"), ShoalError);
  assertEquals([error.code, error.message], ["unknown", "Cannot prove the password: Module not found"]);
});
