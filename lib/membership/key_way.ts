/**
 * key_way: a login by the device's key: DEVICE_START, DEVICE_REPLY, and AUTH in the first sealed datagram. Laws: 1) no password is
 * needed, and nothing that only a password opens;  2) only the coordinator that was met can read who logs in, or say that this
 * device may not;  3) the account key must be the one under which this device was enrolled.
 * Spec: PROTOCOL.md "Login by key".  (pure)
 */

import { type Bytes, bytesEqual } from "../core/bytes.ts";
import { errorCodeFromWire, ProtocolError, RemoteError, type ShoalError } from "../core/errors.ts";
import { deviceIdFrom } from "../core/ids.ts";
import { deviceLoginKey, dhKeyFrom } from "../session/dh_key.ts";
import { initiate, type Initiated } from "../session/noise_ik.ts";
import { decodeDeviceVerdict, encodeDeviceClaim } from "../wire/device_login.ts";
import { deviceStartHeader, encodeDeviceStart, type Envelope } from "../wire/envelope.ts";
import type { MessageOf } from "../wire/message.ts";
import { denied, deniedError } from "./login_outcome.ts";
import type { Admitted, LoginWay, WayStep } from "./login_way.ts";
import type { Enrolment, MemberOptions } from "./types.ts";

export class KeyWay implements LoginWay {
  readonly #options: MemberOptions;
  readonly #enrolment: Enrolment;
  readonly accountKeyIsNew = false;
  #begun: Initiated | undefined;

  constructor(options: MemberOptions, enrolment: Enrolment) {
    this.#options = options;
    this.#enrolment = enrolment;
  }

  get account(): string {
    return this.#enrolment.account;
  }

  start(nonce: Bytes, cookie: Bytes): WayStep {
    const { device, random } = this.#options;
    const { account, loginKey } = this.#enrolment;
    const header = deviceStartHeader(nonce, cookie);
    const keys = { own: deviceLoginKey(device), ephemeral: dhKeyFrom(random(32)), remoteStatic: loginKey };
    const claim = encodeDeviceClaim({ account, deviceId: deviceIdFrom(device.publicKey) });
    this.#begun = initiate(header, keys, claim);
    if (this.#begun === undefined) return denied(this.#refused("the coordinator's key as it is kept here is none"));
    return { kind: "send", datagram: encodeDeviceStart(header, this.#begun.message) };
  }

  proved(): undefined {}

  answered(envelope: Envelope): WayStep | undefined {
    // Not authentic; from a coordinator whose key is another one there is no other answer.
    if (envelope.kind === "refused" && errorCodeFromWire(envelope.code) === "denied") {
      const error = this.#refused("the coordinator at this address has another key than the one that this device met");
      return { kind: "unproven", error };
    }
    if (envelope.kind !== "deviceReply") return undefined;
    const read = this.#begun!.read(envelope.message);
    const verdict = read && decodeDeviceVerdict(read.payload);
    if (verdict === undefined || !verdict.ok) return undefined; // Forged.
    if (verdict.value.kind === "refused") {
      const code = errorCodeFromWire(verdict.value.code);
      return denied(
        code === "denied"
          ? this.#refused("it was revoked, the account's password was set anew, or the account is gone")
          : deniedError(code, this.account, "the coordinator refused this device"),
      );
    }
    const { hash, toResponder, toInitiator } = read!.established;
    return {
      kind: "agreed",
      sessionId: verdict.value.sessionId,
      keys: { toCoordinator: toResponder, toPeer: toInitiator },
      transcript: hash,
      seal: (channel, payload) => channel.seal(payload),
    };
  }

  admitted({ account, accountKey, enrolled, loginKey }: MessageOf<"authenticated">): Admitted {
    const enrolment = this.#enrolment;
    if (!bytesEqual(loginKey, enrolment.loginKey)) {
      return denied(
        new ProtocolError("Cannot log in: the coordinator told another key than the one that it has proven"),
      );
    }
    // The signature is over the name as it was spelled.
    const isSame = accountKey !== null && bytesEqual(accountKey.publicKey, enrolment.accountKey);
    if (!isSame || account !== enrolment.account) return denied(this.#refused("the account has another key now"));
    if (enrolled) return { kind: "admitted", enrolment };
    return { kind: "enrol", message: { kind: "enrol", accountKey, signature: enrolment.deviceSignature }, enrolment };
  }

  #refused(reason: string): ShoalError {
    const text = `Cannot log in as ${JSON.stringify(this.account)} by this device's key: ${reason}`;
    return new RemoteError("denied", text, { hint: "Log in with the password" });
  }
}
