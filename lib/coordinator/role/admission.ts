/**
 * admission: from a proven login to a session. Laws: 1) limits are checked before the store is asked to enrol, and again
 * when it has;  2) a newer login of a device ends its older session, of another device never;  3) the answer leaves when the
 * device is stored.  Spec: PROTOCOL.md "Sessions".  (pure)
 */

import { formatEndpoint } from "../../core/transport.ts";
import type { Logins, ProvenLogin } from "./logins.ts";
import type { Outbox } from "./outbox.ts";
import type { PeerRequests } from "./peer_requests.ts";
import type { Presence } from "./presence.ts";
import type { Reachability } from "./reachability.ts";
import { Session } from "./session.ts";
import type { SessionIds } from "./session_id.ts";
import type { SessionTable } from "./session_table.ts";
import type { StoreOperations, StoreRefusal } from "./store_effects.ts";
import { encodeMessage } from "../../wire/message.ts";

export interface AdmissionOptions {
  readonly outbox: Outbox;
  readonly logins: Logins;
  readonly sessions: SessionTable;
  readonly ids: SessionIds;
  readonly presence: Presence;
  readonly reachability: Reachability;
  readonly requests: PeerRequests;
}

const limitTexts = { limit: "this account has too many devices online", busy: "the coordinator is full" };

export class Admission {
  readonly #options: AdmissionOptions;
  #admitted = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Logins that became sessions. */
  get admitted(): number {
    return this.#admitted;
  }

  /** Asks the store how the account is spelled, and to enrol the device; then lets it in. */
  admit(login: ProvenLogin, nowMs: number): void {
    const { outbox } = this.#options;
    const { pending, auth } = login;
    this.#goOn(login, nowMs, () => {
      outbox.store("account", { account: pending.typedAccount }, (found, foundAtMs) => {
        if (!found.ok) return this.#refuse(login, found.error, foundAtMs);
        const account = found.value?.account;
        if (account === undefined) {
          return this.#refuse(login, { code: "denied", text: "there is no such account" }, foundAtMs);
        }
        this.#goOn(login, foundAtMs, () => {
          const { deviceId, label, certificate } = auth;
          const ask = { account, deviceId, label, certificate, nowMs: foundAtMs };
          outbox.store("enrolDevice", ask, (enrolled, enrolledAtMs) => {
            if (!enrolled.ok) return this.#refuse(login, enrolled.error, enrolledAtMs);
            this.#goOn(login, enrolledAtMs, () => this.#begin(login, account, enrolled.value, enrolledAtMs));
          });
        });
      });
    });
  }

  /** Goes on unless the login was ended meanwhile or there is no room for it. */
  #goOn(login: ProvenLogin, nowMs: number, then: () => void): void {
    const { logins, sessions } = this.#options;
    if (!logins.isPending(login)) return;
    const room = sessions.roomFor(login.pending.account, login.auth.deviceId);
    if (room === "limit" || room === "busy") {
      return this.#refuse(login, { code: room, text: limitTexts[room] }, nowMs);
    }
    then();
  }

  #begin(
    login: ProvenLogin,
    account: string,
    stored: StoreOperations["enrolDevice"]["answer"],
    nowMs: number,
  ): void {
    const { outbox, logins, sessions, ids, presence, reachability, requests } = this.#options;
    const { pending, channel, auth, transaction } = login;
    logins.complete(login);
    const displaced = sessions.roomFor(pending.account, auth.deviceId);
    if (displaced instanceof Session) this.#displace(displaced, stored.device, nowMs);
    const session = new Session({
      channel,
      account,
      foldedAccount: pending.account,
      device: stored.device,
      deviceId: auth.deviceId,
      label: stored.label,
      certificate: auth.certificate,
      startedAtMs: nowMs,
      endpoint: pending.endpoint,
      tcpPort: auth.tcpPort,
      enrolled: stored.enrolled,
      shareDigest: stored.shareDigest,
    });
    presence.begin(session, nowMs);
    reachability.check(session, nowMs);
    const payload = encodeMessage(transaction, {
      kind: "authenticated",
      account,
      label: stored.label,
      resetToken: ids.resetToken(session.id),
      accountKey: stored.accountKey,
      enrolled: stored.enrolled,
      ...requests.alive(session, auth.shareDigest, nowMs),
    });
    session.answers.arrive(transaction);
    session.answers.answer(transaction, payload);
    outbox.send(session.endpoint, channel.seal(payload));
    this.#admitted++;
    outbox.log({ event: "loggedIn", account, device: stored.label, endpoint: formatEndpoint(session.endpoint) });
  }

  /** Ends the session that this login replaces, or that has been away longest. */
  #displace(session: Session, device: number, nowMs: number): void {
    const { outbox, presence } = this.#options;
    const isOwn = session.device === device;
    presence.end(session, isOwn ? "sessionEnded" : "busy", nowMs, isOwn);
    if (isOwn) outbox.log({ event: "replaced", account: session.account, device: session.label });
  }

  #refuse(login: ProvenLogin, { code, text }: StoreRefusal, nowMs: number): void {
    if (this.#options.logins.isPending(login)) this.#options.logins.refuse(login, code, text, nowMs);
  }
}
