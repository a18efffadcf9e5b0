/**
 * audience_changes: what happens when somebody may no longer see what he could. Laws: 1) holders end the transfers of devices that lost
 * the right, and take no ticket of theirs from before;  2) whoever still has a right asks anew and goes on: what cannot be told apart
 * cheaply is ended;  3) what was read before a loss is not told, and makes no ticket, after it.  Spec: PROTOCOL.md "Visibility", "REVOKE".  (pure)
 */

import { foldAccount } from "../../session/opaque.ts";
import type { IssuedTickets } from "./issued_tickets.ts";
import type { Outbox } from "./outbox.ts";
import type { Siblings } from "./siblings.ts";

export class AudienceChanges {
  readonly #outbox: Outbox;
  readonly #tickets: IssuedTickets;
  readonly #siblings: Siblings;
  #losses = 0;

  constructor(outbox: Outbox, tickets: IssuedTickets, siblings: Siblings) {
    this.#outbox = outbox;
    this.#tickets = tickets;
    this.#siblings = siblings;
  }

  /** How often rights were lost, as far as it is known here. */
  get losses(): number {
    return this.#losses;
  }

  /** Takes which accounts may have lost rights to whatever: they left a group, or it went. */
  lost(accounts: readonly string[], nowMs: number): void {
    this.#losses++;
    const byHolder = this.#tickets.takeAccounts(new Set(accounts.map(foldAccount)), nowMs);
    for (const [holder, devices] of byHolder) this.#siblings.revokeDevices(holder, devices, nowMs);
  }

  /** Takes what a holder still shares of contents of which a share went; devices that do not see all of it are revoked. */
  narrowed(holder: number, shares: readonly number[], nowMs: number): void {
    if (shares.length === 0) return;
    this.changed(holder, shares, nowMs);
    // Who got tickets elsewhere is known there.
    this.#siblings.tell({ kind: "audienceChanged", holder, shares });
  }

  /** Revokes what this coordinator gave tickets for, to those who may no longer see these shares. */
  changed(holder: number, shares: readonly number[], nowMs: number): void {
    this.#losses++;
    const devices = this.#tickets.devicesAt(holder, nowMs);
    if (devices.length === 0) return;
    this.#outbox.store("sees", { shares, devices }, (answer, seenAtMs) => {
      // Where the store is too busy to say, nobody keeps what he may have lost.
      const seeing = answer.ok ? answer.value.map((some) => new Set(some)) : [new Set<number>()];
      const lost = devices.filter((device) => !seeing.every((some) => some.has(device)));
      const ids = this.#tickets.takePairs(holder, new Set(lost));
      if (ids.length > 0) this.#siblings.revokeDevices(holder, ids, seenAtMs);
    });
  }
}
