/**
 * registration: makes an account over the network: the effectful ring around membership's `Registration`: one UDP socket, one timer, and
 * the proofs on their thread. Law: whatever it opened it closes.  (I/O)
 */

import { NetworkError, type ShoalError, TimeoutError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type Datagrams, type Endpoint, formatEndpoint } from "../core/transport.ts";
import {
  Registration,
  type RegistrationEffect,
  type RegistrationInput,
  type RegistrationWish,
} from "../membership/registration.ts";
import type { MemberOptions } from "../membership/types.ts";
import { listenUdp } from "../net/udp.ts";
import type { InviteCode } from "../session/invite_code.ts";
import type { ProofStep, Proved } from "../session/opaque.ts";
import { parsePassword } from "../session/password.ts";
import type { Home } from "./home.ts";

export interface RegistrationOptions extends MemberOptions {
  readonly coordinator: Endpoint;
  /** A socket of the coordinator's family; closed at the end. */
  readonly datagrams: Datagrams;
  readonly prove: (step: ProofStep) => Promise<Proved>;
}

/**
 * Registers; resolves once the account is there.
 * @returns The name as the coordinator spells it.
 * @throws {ShoalError} If it cannot be; the code is still good unless the answer was lost.
 */
export async function registerAccount(wish: RegistrationWish, options: RegistrationOptions): Promise<string> {
  using run = new Run(wish, options);
  return await run.done;
}

/**
 * Registers from a home: with its device, by a socket and a thread of proofs that end with it.
 * @param code Undefined where the coordinator lets everybody register.
 * @throws {UsageError} If the password is none.
 * @throws {ShoalError} As `registerAccount`.
 */
export async function registerFrom(
  home: Home,
  { code, account, password }: {
    readonly code: InviteCode | undefined;
    readonly account: string;
    readonly password: string;
  },
  { coordinator, label }: Pick<RegistrationOptions, "coordinator" | "label">,
): Promise<string> {
  const wish = { code, account, password: parsePassword(password) };
  const { deviceCertificate, listenAddress, startPasswordProver } = await import("./peer.ts");
  using prover = startPasswordProver();
  prover.prepare();
  return await registerAccount(wish, {
    device: home.device,
    certificate: await deviceCertificate(home),
    label,
    random: (size) => crypto.getRandomValues(new Uint8Array(size)),
    coordinator,
    datagrams: listenUdp({ ip: listenAddress(coordinator.ip), port: 0 }),
    prove: (step) => prover.prove(step),
  });
}

class Run implements Disposable {
  readonly #options: RegistrationOptions;
  readonly #registration: Registration;
  readonly #done = Promise.withResolvers<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAnswered = false;
  #closed = false;

  constructor(wish: RegistrationWish, options: RegistrationOptions) {
    this.#options = options;
    this.#registration = new Registration(options, wish, Date.now());
    this.#receive();
    this.#feed({ kind: "tick" });
  }

  get done(): Promise<string> {
    return this.#done.promise;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#options.datagrams.close();
  }

  async #receive(): Promise<void> {
    const { datagrams, coordinator } = this.#options;
    for (let received = await datagrams.receive(); received !== undefined; received = await datagrams.receive()) {
      const { ip, port } = received.from;
      if (port !== coordinator.port || ip !== coordinator.ip) continue;
      this.#isAnswered = true;
      this.#feed({ kind: "datagram", bytes: received.bytes });
    }
  }

  #feed(input: RegistrationInput): void {
    if (this.#closed) return;
    for (const effect of this.#registration.handle(input, Date.now())) this.#perform(effect);
    clearTimeout(this.#timer);
    const { wakeAtMs } = this.#registration;
    if (wakeAtMs !== Infinity && !this.#closed) {
      this.#timer = setTimeout(() => this.#feed({ kind: "tick" }), Math.max(0, wakeAtMs - Date.now()));
    }
  }

  #perform(effect: RegistrationEffect): void {
    const { datagrams, coordinator, prove } = this.#options;
    switch (effect.kind) {
      case "send":
        datagrams.send(effect.bytes, coordinator);
        return;
      case "prove":
        prove(effect.step).then(
          (proved) => this.#feed({ kind: "proved", proved }),
          (error) => this.#done.reject(error),
        );
        return;
      case "registered":
        this.#done.resolve(effect.account);
        return;
      case "failed":
        this.#done.reject(this.#explained(effect.error));
        return;
    }
  }

  /** A coordinator that never answered is out of reach, and its address is what a person can check. */
  #explained(error: ShoalError): ShoalError {
    if (!(error instanceof TimeoutError) || this.#isAnswered) return error;
    const where = formatEndpoint(this.#options.coordinator);
    return new NetworkError(
      `Cannot reach the coordinator at ${where}: no answer in ${limits.requestMs / 1000} s`,
      { cause: error, hint: "Check the address, and that the coordinator is running there" },
    );
  }
}
