/**
 * sim_coordinator: the real role and the real store on the fake clock, with OPAQUE inline. Laws: 1) a write is answered after
 * its group is committed, and a group is what came within a few milliseconds;  2) a restart forgets everything but the keys and
 * the store's file.
 */

import { assert } from "@std/assert";
import { bytesEqual } from "../../lib/core/bytes.ts";
import { fail, ok } from "../../lib/core/errors.ts";
import type { Endpoint } from "../../lib/core/transport.ts";
import { CoordinatorRole } from "../../lib/coordinator/role/role.ts";
import { type StoreAsk, storeWrites } from "../../lib/coordinator/role/store_effects.ts";
import type { CoordinatorKeys, Effect, Input, LogEvent } from "../../lib/coordinator/role/types.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import type { Store } from "../../lib/coordinator/store/store.ts";
import {
  acceptLogin,
  answerLogin,
  answerRegistration,
  createServerSetup,
  loadOpaque,
  registerLocally,
} from "../../lib/session/opaque.ts";
import { cheapStretching } from "../membership/scripted_coordinator.ts";
import { makeInvite, openInvite } from "../../lib/coordinator/invites.ts";
import { type InviteCode, parseInviteCode } from "../../lib/session/invite_code.ts";
import type { Clock } from "./clock.ts";
import type { Network } from "./network.ts";
import type { Seeded } from "./seeded.ts";

/** How long the store takes, in milliseconds: a read, and the wait for a group and its sync. */
await loadOpaque();

const readMs = 1;
const commitMs = 3;

export interface SimCoordinatorOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly random: Seeded;
  readonly endpoint: Endpoint;
  readonly storePath: string;
  readonly keepAliveMs: number;
  /** Who serves TLS at an endpoint: the certificate that a dial-back meets. */
  readonly certificateAt: (endpoint: Endpoint) => Uint8Array | undefined;
}

export class SimCoordinator {
  readonly #options: SimCoordinatorOptions;
  readonly #keys: CoordinatorKeys;
  readonly #setup = createServerSetup();
  #store: Store;
  #role: CoordinatorRole;
  #group: { readonly token: number; readonly ask: StoreAsk }[] = [];
  #timerAtMs = Infinity;
  readonly log: LogEvent[] = [];

  constructor(options: SimCoordinatorOptions) {
    this.#options = options;
    const { random, storePath } = options;
    this.#keys = {
      cookie: random.bytes(32),
      session: random.bytes(32),
      ticket: random.bytes(32),
      cursor: random.bytes(32),
      login: random.bytes(32),
    };
    this.#store = openSqliteStore(storePath);
    this.#role = this.#begin();
  }

  get endpoint(): Endpoint {
    return this.#options.endpoint;
  }

  get role(): CoordinatorRole {
    return this.#role;
  }

  get store(): Store {
    return this.#store;
  }

  async addAccount(account: string, password: string): Promise<void> {
    const record = registerLocally({ password, serverSetup: this.#setup, account, stretching: cheapStretching });
    await this.#store.putAccount(account, record, { overwrite: false, nowMs: this.#options.clock.nowMs });
  }

  /** Makes an invite; null: the one that everybody may use. The code of it. */
  async addInvite(lifeMs: number | null): Promise<InviteCode> {
    const { random, clock } = this.#options;
    const maker = { serverSetup: this.#setup, address: undefined, stretching: cheapStretching };
    const { code, name, record } = lifeMs === null ? openInvite(maker) : makeInvite(maker, random.bytes);
    const expiresAtMs = lifeMs === null ? null : clock.nowMs + lifeMs;
    const invite = { name, record, role: "member", note: "", createdAtMs: clock.nowMs, expiresAtMs } as const;
    await this.#store.putInvites([invite], clock.nowMs);
    return parseInviteCode(code);
  }

  /** Dies without a word, and is there again with its keys and its database. */
  async restart(): Promise<void> {
    await this.#store.close();
    this.#store = openSqliteStore(this.#options.storePath);
    this.#group = [];
    this.#timerAtMs = Infinity;
    this.#role = this.#begin();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  feed(input: Input): void {
    this.#feedTo(this.#role, input);
  }

  #begin(): CoordinatorRole {
    const { random, keepAliveMs, network, endpoint } = this.#options;
    const role = new CoordinatorRole({ keys: this.#keys, random: random.bytes, keepAliveMs });
    network.attach(endpoint, ({ from, bytes }) => this.#feedTo(role, { kind: "datagram", from, bytes }));
    return role;
  }

  /** Feeds the role that an answer belongs to; one of before a restart is gone, and its answers with it. */
  #feedTo(role: CoordinatorRole, input: Input): void {
    if (role !== this.#role) return;
    const { clock } = this.#options;
    for (const effect of role.handle(input, clock.nowMs)) this.#perform(role, effect);
    if (input.kind === "tick") {
      assert(role.wakeAtMs > clock.nowMs, "the coordinator's role would be woken again at once, on and on");
    }
    this.#setTimer(role);
  }

  #setTimer(role: CoordinatorRole): void {
    if (role.wakeAtMs >= this.#timerAtMs) return;
    this.#timerAtMs = role.wakeAtMs;
    this.#options.clock.at(role.wakeAtMs, () => {
      if (role !== this.#role) return;
      this.#timerAtMs = Infinity;
      if (role.wakeAtMs <= this.#options.clock.nowMs) this.#feedTo(role, { kind: "tick" });
      else this.#setTimer(role);
    });
  }

  #perform(role: CoordinatorRole, effect: Effect): void {
    const { clock, network, endpoint, certificateAt } = this.#options;
    switch (effect.kind) {
      case "send":
        network.send(endpoint, effect.to, effect.bytes);
        return;
      case "store":
        if (storeWrites[effect.ask.operation]) this.#write(role, effect);
        else {
          clock.at(clock.nowMs + readMs, async () => {
            if (role !== this.#role) return;
            const answer = await this.#store.read(effect.ask);
            this.#feedTo(role, { kind: "stored", token: effect.token, answer });
          });
        }
        return;
      case "opaqueStart": {
        const { token, account, record, ke1 } = effect;
        const answered = answerLogin(this.#setup, account, record, ke1);
        const result = answered === undefined ? fail({ code: "protocol", text: "no KE1" } as const) : ok(answered);
        clock.at(clock.nowMs, () => this.#feedTo(role, { kind: "opaqueStarted", token, result }));
        return;
      }
      case "opaqueFinish": {
        const { token, state, ke3 } = effect;
        const sessionKey = acceptLogin(state, ke3);
        const result = sessionKey === undefined ? fail({ code: "denied", text: "no proof" } as const) : ok(sessionKey);
        clock.at(clock.nowMs, () => this.#feedTo(role, { kind: "opaqueFinished", token, result }));
        return;
      }
      case "opaqueRegister": {
        const { token, account, request } = effect;
        const response = answerRegistration(this.#setup, account, request);
        const result = response === undefined ? fail({ code: "protocol", text: "no request" } as const) : ok(response);
        clock.at(clock.nowMs, () => this.#feedTo(role, { kind: "opaqueRegistered", token, result }));
        return;
      }
      case "probe": {
        const { token, certificate } = effect;
        const met = certificateAt(effect.endpoint);
        const reachable = met !== undefined && bytesEqual(met, certificate);
        clock.at(clock.nowMs + 20, () => this.#feedTo(role, { kind: "probed", token, reachable }));
        return;
      }
      case "log":
        this.log.push(effect.event);
        return;
    }
  }

  #write(role: CoordinatorRole, effect: Effect & { kind: "store" }): void {
    this.#group.push(effect);
    if (this.#group.length > 1) return;
    const { clock } = this.#options;
    clock.at(clock.nowMs + commitMs, async () => {
      if (role !== this.#role) return;
      const group = this.#group;
      this.#group = [];
      const answers = await this.#store.write(group.map(({ ask }) => ask));
      group.forEach(({ token }, i) => this.#feedTo(role, { kind: "stored", token, answer: answers[i]! }));
    });
  }
}
