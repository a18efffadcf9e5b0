/**
 * password_way: a login by the password: START, REPLY, FINISH, and the account key that the password alone opens. Laws: 1) a wrong
 * password is noticed here, before anything is told;  2) an account key that does not open is never replaced;  3) another login key
 * than the one that this peer has met is refused.  Spec: PROTOCOL.md "Login", "Account keys".  (pure)
 */

import { type Bytes, bytesEqual, copyBytes } from "../core/bytes.ts";
import { RemoteError, ShoalError } from "../core/errors.ts";
import { deviceIdFrom } from "../core/ids.ts";
import { openAccountKey, sealAccountKey } from "../session/account_key.ts";
import { signingKeyFrom } from "../session/device_key.ts";
import { deriveSessionKeys, transcriptHash } from "../session/handshake_keys.ts";
import type { FinishedLogin, Proved } from "../session/opaque.ts";
import { proveStart, signDevice } from "../session/proofs.ts";
import { encodeStart, type Envelope } from "../wire/envelope.ts";
import type { MessageOf } from "../wire/message.ts";
import { denied } from "./login_outcome.ts";
import type { Admitted, Credentials, LoginWay, WayStep } from "./login_way.ts";
import type { Enrolment, MemberOptions } from "./types.ts";

/** What a step of the proof goes on with. */
type Proving =
  | { readonly kind: "start"; readonly nonce: Bytes; readonly cookie: Bytes }
  | { readonly kind: "finish"; readonly sessionId: bigint; readonly reply: Bytes };

export class PasswordWay implements LoginWay {
  readonly #options: MemberOptions;
  readonly #credentials: Credentials & { kind: "password" };
  #proving: Proving | undefined;
  #start: { readonly datagram: Bytes; readonly opaqueState: string } | undefined;
  #login: FinishedLogin | undefined;
  accountKeyIsNew: boolean;

  constructor(options: MemberOptions, credentials: Credentials & { kind: "password" }, accountKeyIsNew: boolean) {
    this.#options = options;
    this.#credentials = credentials;
    this.accountKeyIsNew = accountKeyIsNew;
  }

  get account(): string {
    return this.#credentials.account;
  }

  start(nonce: Bytes, cookie: Bytes): WayStep {
    this.#proving = { kind: "start", nonce, cookie };
    return { kind: "prove", step: { kind: "start", password: this.#credentials.password } };
  }

  answered(envelope: Envelope, datagram: Uint8Array): WayStep | undefined {
    if (envelope.kind !== "reply") return undefined;
    this.#proving = { kind: "finish", sessionId: envelope.sessionId, reply: copyBytes(datagram) };
    const { password } = this.#credentials;
    const state = this.#start!.opaqueState;
    return { kind: "prove", step: { kind: "finish", password, state, ke2: copyBytes(envelope.ke2) } };
  }

  proved(proved: Proved): WayStep | undefined {
    const proving = this.#proving;
    if (proving?.kind === "start" && proved.kind === "start") return this.#makeStart(proving, proved);
    if (proving?.kind === "finish" && proved.kind === "finish") return this.#agree(proving, proved.login);
    return undefined;
  }

  #makeStart({ nonce, cookie }: Proving & { kind: "start" }, { ke1, state }: Proved & { kind: "start" }): WayStep {
    const { account } = this;
    const { device } = this.#options;
    const datagram = encodeStart(nonce, cookie, {
      account,
      ke1,
      device: { id: deviceIdFrom(device.publicKey), signature: proveStart(device, cookie, account, ke1) },
    });
    this.#start = { datagram, opaqueState: state };
    return { kind: "send", datagram };
  }

  #agree({ sessionId, reply }: Proving & { kind: "finish" }, login: FinishedLogin | undefined): WayStep {
    if (login === undefined) {
      const text = `Cannot log in as ${JSON.stringify(this.account)}: wrong password or unknown account`;
      const hint = "Check the name and the password, or ask the operator for an account";
      return { kind: "unproven", error: new RemoteError("denied", text, { hint }) };
    }
    this.#login = login;
    const transcript = transcriptHash(this.#start!.datagram, reply, login.ke3);
    const keys = deriveSessionKeys(login.sessionKey, transcript);
    const seal: (WayStep & { kind: "agreed" })["seal"] = (channel, payload) => channel.sealFinish(login.ke3, payload);
    return { kind: "agreed", sessionId, keys, transcript, seal };
  }

  /** Goes on with the account key as stored: opens it, or makes one; signs this device where that is not done. */
  admitted(authenticated: MessageOf<"authenticated">): Admitted {
    const { account, accountKey: stored, enrolled, loginKey } = authenticated;
    const { pinned } = this.#credentials;
    if (pinned !== undefined && !bytesEqual(pinned, loginKey)) return denied(otherCoordinator());
    const { device, random } = this.#options;
    const { exportKey, coordinatorKey } = this.#login!;
    const key = stored === null ? signingKeyFrom(random(32)) : openAccountKey(exportKey, account, stored);
    if (key === undefined) {
      return denied(
        new ShoalError("integrity", "Cannot use the account's key: it does not open with this password", {
          hint: "The coordinator may have altered it; ask the operator to set the password anew",
        }),
      );
    }
    if (stored === null) this.accountKeyIsNew = true;
    const deviceSignature = signDevice(key, account, deviceIdFrom(device.publicKey));
    const enrolment: Enrolment = { account, loginKey, coordinatorKey, accountKey: key.publicKey, deviceSignature };
    if (stored !== null && enrolled) return { kind: "admitted", enrolment };
    const accountKey = stored ??
      { publicKey: key.publicKey, sealed: sealAccountKey(exportKey, account, key, random) };
    return { kind: "enrol", message: { kind: "enrol", accountKey, signature: deviceSignature }, enrolment };
  }
}

/** The coordinator proved that it knows the account, and shows another key than the one that was met: its key file is another. */
function otherCoordinator(): ShoalError {
  return new ShoalError(
    "untrusted",
    "Cannot trust the coordinator: its key is another one than the key that this device met at this address",
    {
      hint: "Ask its operator whether it was set up anew; if so, remove known_coordinators.json from the state folder",
    },
  );
}
