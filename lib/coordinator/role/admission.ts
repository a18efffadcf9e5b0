/**
 * admission: from a proven login to a session. Laws: 1) limits are checked before the store is asked to enrol, and again
 * when it has;  2) a newer login of a device ends its older session, of another device never;  3) the answer leaves when the
 * device is stored.  Spec: PROTOCOL.md "Sessions".  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import { formatEndpoint } from "../../core/transport.ts";
import type { Outbox } from "./outbox.ts";
import type { PeerRequests } from "./peer_requests.ts";
import type { ProvenLogin } from "./proven_login.ts";
import type { Presence } from "./presence.ts";
import type { Reachability } from "./reachability.ts";
import { Session } from "./session.ts";
import type { SessionIds } from "./session_id.ts";
import type { SessionTable } from "./session_table.ts";
import type { Siblings } from "./siblings.ts";
import type { Standings } from "./standing.ts";
import type { StoreOperations, StoreRefusal } from "./store_effects.ts";
import { encodeMessage } from "../../wire/message.ts";

export interface AdmissionOptions {
  readonly outbox: Outbox;
  readonly sessions: SessionTable;
  readonly ids: SessionIds;
  readonly presence: Presence;
  readonly reachability: Reachability;
  readonly requests: PeerRequests;
  /** The public half of the coordinator's login key. */
  readonly loginKey: Bytes;
  readonly standings: Standings;
  readonly siblings: Siblings;
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

  /** Asks the store to enrol the device; then lets it in. */
  admit(login: ProvenLogin, nowMs: number): void {
    const { outbox } = this.#options;
    const { typedAccount, auth, record } = login;
    if (/\p{Cc}/u.test(auth.label)) {
      return login.refuse("usage", "the device's name holds a control character", nowMs);
    }
    this.#goOn(login, nowMs, () => {
      const { deviceId, label, certificate, loginKey } = auth;
      const ask = { account: typedAccount, deviceId, label, certificate, loginKey, record, nowMs };
      outbox.store("enrolDevice", ask, (enrolled, enrolledAtMs) => {
        if (!enrolled.ok) return this.#refuse(login, enrolled.error, enrolledAtMs);
        this.#goOn(login, enrolledAtMs, () => this.#begin(login, enrolled.value, enrolledAtMs));
      });
    });
  }

  /** Goes on unless the login was ended meanwhile or there is no room for it. */
  #goOn(login: ProvenLogin, nowMs: number, then: () => void): void {
    const { sessions } = this.#options;
    if (!login.isPending()) return;
    const room = sessions.roomFor(login.account, login.auth.deviceId);
    if (room === "limit" || room === "busy") {
      return this.#refuse(login, { code: room, text: limitTexts[room] }, nowMs);
    }
    then();
  }

  #begin(login: ProvenLogin, stored: StoreOperations["enrolDevice"]["answer"], nowMs: number): void {
    const { outbox, sessions, ids, presence, reachability, requests, loginKey, siblings } = this.#options;
    const { channel, auth, transaction } = login;
    const { account, role, rate } = stored;
    const standing = this.#options.standings.begin(login.account, role, rate);
    login.complete();
    const displaced = sessions.roomFor(login.account, auth.deviceId);
    if (displaced instanceof Session) this.#displace(displaced, stored.device, nowMs);
    const session = new Session({
      channel,
      account,
      foldedAccount: login.account,
      standing,
      device: stored.device,
      deviceId: auth.deviceId,
      label: stored.label,
      certificate: auth.certificate,
      startedAtMs: nowMs,
      endpoint: login.endpoint,
      tcpPort: auth.tcpPort,
      enrolled: stored.enrolled,
      shareDigest: stored.shareDigest,
    });
    presence.begin(session, nowMs);
    siblings.tell({ kind: "loggedIn", device: session.device, atMs: nowMs });
    reachability.check(session, nowMs);
    const payload = encodeMessage(transaction, {
      kind: "authenticated",
      account,
      label: stored.label,
      resetToken: ids.resetToken(session.id),
      accountKey: stored.accountKey,
      enrolled: stored.enrolled,
      ...requests.alive(session, auth.shareDigest, nowMs),
      loginKey,
      role: standing.role,
    });
    requests.keepFirst(session, transaction, payload, nowMs);
    outbox.send(session.endpoint, channel.seal(payload));
    this.#admitted++;
    outbox.log({
      event: "loggedIn",
      account,
      device: stored.label,
      endpoint: formatEndpoint(session.endpoint),
      way: login.record === null ? "key" : "password",
      tookMs: nowMs - login.beganAtMs,
    });
  }

  /** Ends the session that this login replaces, or that has been away longest. */
  #displace(session: Session, device: number, nowMs: number): void {
    const { outbox, presence } = this.#options;
    const isOwn = session.device === device;
    const hadLeft = session.state === "left";
    presence.end(session, isOwn ? "sessionEnded" : "busy", nowMs, { handOver: isOwn });
    if (isOwn && !hadLeft) outbox.log({ event: "replaced", account: session.account, device: session.label });
  }

  #refuse(login: ProvenLogin, { code, text }: StoreRefusal, nowMs: number): void {
    if (login.isPending()) login.refuse(code, text, nowMs);
  }
}
