/**
 * member_bench: one Member on a fake clock with its datagrams in hand. Law: after every input its `wakeAtMs` lies in the
 * future, whatever the input was: a driver that sleeps until then never spins.  (pure)
 */

import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/core/bytes.ts";
import { Member } from "../../lib/membership/member.ts";
import type { MemberEffect, MemberInput } from "../../lib/membership/types.ts";
import { type SigningKey, signingKeyFrom } from "../../lib/session/device_key.ts";
import { seeded } from "../sim/seeded.ts";
import { expectEnvelope, proveCheaply, type ScriptedCoordinator } from "./scripted_coordinator.ts";

/** What a Member tells its owner, datagrams and proofs aside. */
export type MemberEvent = Exclude<MemberEffect, { kind: "send" | "prove" }>;

export class MemberBench {
  nowMs = 1_000_000;
  readonly device: SigningKey;
  readonly member: Member;
  /** Datagrams sent and not taken yet, with when they went. */
  readonly sent: { readonly bytes: Bytes; readonly atMs: number }[] = [];
  /** Everything told and not taken yet. */
  readonly events: MemberEvent[] = [];
  readonly #areProofsHeld: boolean;
  /** Proofs that are asked for and not made yet. */
  readonly proofs: (MemberEffect & { kind: "prove" })[] = [];

  /** @param options `areProofsHeld`: they take until `prove` is called; else no time. */
  constructor({ seed = 1, label = "vm", areProofsHeld = false } = {}) {
    const random = seeded(seed);
    this.device = signingKeyFrom(random.bytes(32));
    this.member = new Member({
      device: this.device,
      certificate: random.bytes(248),
      label,
      random: random.bytes,
    });
    this.#areProofsHeld = areProofsHeld;
  }

  give(input: MemberInput): void {
    for (const effect of this.member.handle(input, this.nowMs)) {
      if (effect.kind === "send") this.sent.push({ bytes: effect.bytes, atMs: this.nowMs });
      else if (effect.kind !== "prove") this.events.push(effect);
      else if (this.#areProofsHeld) this.proofs.push(effect);
      else this.give(proveCheaply(effect));
    }
    assert(this.member.wakeAtMs > this.nowMs, `wakes at ${this.member.wakeAtMs}, which is not after ${this.nowMs}`);
  }

  /** Makes the proof that was asked for first. */
  prove(): void {
    this.give(proveCheaply(this.proofs.shift()!));
  }

  login(account = "ada", password = "correct horse"): void {
    this.give({ kind: "login", account, password });
  }

  datagram(bytes: Uint8Array): void {
    this.give({ kind: "datagram", bytes });
  }

  /** Lets time pass; ticks whenever the Member wants it. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.member.wakeAtMs <= untilMs) {
      this.nowMs = this.member.wakeAtMs;
      this.give({ kind: "tick" });
    }
    this.nowMs = untilMs;
  }

  /** Takes the one datagram that was sent. */
  takeSent(): Bytes {
    assertEquals(this.sent.length, 1, "exactly one datagram");
    return this.sent.shift()!.bytes;
  }

  /** Takes the one event that was told, which must be of this kind. */
  takeEvent<K extends MemberEvent["kind"]>(kind: K): MemberEvent & { kind: K } {
    assertEquals(this.events.map((event) => event.kind), [kind]);
    return this.events.shift() as MemberEvent & { kind: K };
  }

  /** Takes every event so far. */
  takeEvents(): MemberEvent[] {
    return this.events.splice(0);
  }

  /** Forgets what was sent so far. */
  dropSent(): void {
    this.sent.length = 0;
  }

  /** Lets the coordinator answer everything that is sent, until nothing more is. */
  converse(coordinator: ScriptedCoordinator): void {
    for (let next = this.sent.shift(); next !== undefined; next = this.sent.shift()) {
      const answer = coordinator.answer(next.bytes);
      if (answer !== undefined) this.datagram(answer);
    }
  }

  /** Logs in up to and with the first keep-alive; the `online` event. */
  goOnline(coordinator: ScriptedCoordinator): MemberEvent & { kind: "online" } {
    this.login(coordinator.account);
    this.converse(coordinator);
    const [online, alive, ...more] = this.takeEvents();
    assertEquals([online?.kind, alive?.kind, more.length], ["online", "alive", 0]);
    return online as MemberEvent & { kind: "online" };
  }

  /** Logs in up to FINISH, which is left in the coordinator's hands as its AUTH transaction. */
  reachFinish(coordinator: ScriptedCoordinator): number {
    this.login(coordinator.account);
    this.datagram(coordinator.cookie(this.takeSent()));
    this.datagram(coordinator.reply(this.takeSent()));
    const finish = this.takeSent();
    expectEnvelope(finish, "finish");
    return coordinator.accept(finish).transaction;
  }
}
