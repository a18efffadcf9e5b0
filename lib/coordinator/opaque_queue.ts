/**
 * opaque_queue: the costly half of a login, one step at a time, with a turn of the loop between two, so that a crowd of logins
 * does not keep the coordinator from receiving. Law: bounded; over it the answer is `busy`, at once.
 */

import { setImmediate } from "node:timers";
import { fail, ok } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { acceptLogin, answerLogin } from "../session/opaque.ts";
import type { Effect, Input } from "./role/types.ts";

type OpaqueEffect = Extract<Effect, { kind: "opaqueStart" | "opaqueFinish" }>;
type OpaqueInput = Extract<Input, { kind: "opaqueStarted" | "opaqueFinished" }>;

export class OpaqueQueue {
  readonly #serverSetup: string;
  readonly #answered: (input: OpaqueInput) => void;
  readonly #waiting: OpaqueEffect[] = [];
  #running = false;
  #stopped = false;

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

  /** Forgets what waits: nobody will be there for the answers. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
  }

  #run(): void {
    const effect = this.#waiting.shift();
    if (effect === undefined) {
      this.#running = false;
      return;
    }
    const input = this.#step(effect);
    if (!this.#stopped) this.#answered(input);
    setImmediate(() => this.#run());
  }

  #step(effect: OpaqueEffect): OpaqueInput {
    const { token } = effect;
    const refusal = fail({ code: "denied" as const, text: "that is no proof of the password" });
    if (effect.kind === "opaqueStart") {
      const answer = answerLogin(this.#serverSetup, effect.account, effect.record, effect.ke1);
      return { kind: "opaqueStarted", token, result: answer === undefined ? refusal : ok(answer) };
    }
    const sessionKey = acceptLogin(effect.state, effect.ke3);
    return { kind: "opaqueFinished", token, result: sessionKey === undefined ? refusal : ok(sessionKey) };
  }
}

const answerKinds = { opaqueStart: "opaqueStarted", opaqueFinish: "opaqueFinished" } as const;
