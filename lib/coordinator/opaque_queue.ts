/**
 * opaque_queue: the costly half of a login or a registration, one step at a time, with turns of the loop between two, so that a crowd of logins
 * does not keep the coordinator from receiving. Laws: 1) bounded; over it the answer is `busy`, at once;  2) of the thread's time steps take
 * no more than a part, however many wait: datagrams and members' questions have the rest.
 */

import { setImmediate } from "node:timers";
import { fail, ok } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { acceptLogin, answerLogin, answerRegistration } from "../session/opaque.ts";
import type { Effect, Input } from "./role/types.ts";

type OpaqueEffect = Extract<Effect, { kind: "opaqueStart" | "opaqueFinish" | "opaqueRegister" }>;
type OpaqueInput = Extract<Input, { kind: "opaqueStarted" | "opaqueFinished" | "opaqueRegistered" }>;

/** How long the loop has to itself after a step, in times of the step. Turns, not a timer: that would ring after a millisecond. */
const restShare = 0.75;

export class OpaqueQueue {
  readonly #serverSetup: string;
  readonly #answered: (input: OpaqueInput) => void;
  readonly #waiting: OpaqueEffect[] = [];
  #running = false;
  #stopped = false;
  #whenIdle: (() => void) | undefined;

  constructor(serverSetup: string, answered: (input: OpaqueInput) => void) {
    this.#serverSetup = serverSetup;
    this.#answered = answered;
  }

  /** Takes a step; `answered` is called with its token, once, in a later turn. */
  push(effect: OpaqueEffect): void {
    if (this.#waiting.length >= limits.opaqueQueueMax) {
      const busy = fail({ code: "busy" as const, text: "the coordinator is busy" });
      queueMicrotask(() => this.#answered({ kind: answerKinds[effect.kind], token: effect.token, result: busy }));
      return;
    }
    this.#waiting.push(effect);
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#run());
  }

  /** Resolves once no step waits. */
  async idle(): Promise<void> {
    while (this.#running) await new Promise<void>((resolve) => this.#whenIdle = resolve);
  }

  /** Forgets what waits: nobody will be there for the answers. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
  }

  #run(): void {
    const effect = this.#waiting.shift();
    if (effect === undefined) {
      this.#running = false;
      this.#whenIdle?.();
      return;
    }
    const fromMs = performance.now();
    const input = this.#step(effect);
    const untilMs = performance.now();
    if (!this.#stopped) this.#answered(input);
    this.#rest(untilMs + restShare * (untilMs - fromMs));
  }

  #rest(untilMs: number): void {
    setImmediate(() => performance.now() < untilMs ? this.#rest(untilMs) : this.#run());
  }

  #step(effect: OpaqueEffect): OpaqueInput {
    const { token } = effect;
    const refusal = fail({ code: "denied" as const, text: "that is no proof of the password" });
    if (effect.kind === "opaqueStart") {
      const answer = answerLogin(this.#serverSetup, effect.account, effect.record, effect.ke1);
      return { kind: "opaqueStarted", token, result: answer === undefined ? refusal : ok(answer) };
    }
    if (effect.kind === "opaqueRegister") {
      const response = answerRegistration(this.#serverSetup, effect.account, effect.request);
      const noRequest = fail({ code: "protocol" as const, text: "that is no registration of a password" });
      return { kind: "opaqueRegistered", token, result: response === undefined ? noRequest : ok(response) };
    }
    const sessionKey = acceptLogin(effect.state, effect.ke3);
    return { kind: "opaqueFinished", token, result: sessionKey === undefined ? refusal : ok(sessionKey) };
  }
}

const answerKinds = {
  opaqueStart: "opaqueStarted",
  opaqueFinish: "opaqueFinished",
  opaqueRegister: "opaqueRegistered",
} as const;
