/**
 * device_login: what the two messages of a login by key carry inside their handshake (session/noise_ik.ts). Laws: 1) both have one size,
 * whatever the account is called and whatever the answer is;  2) decoding returns a result for any bytes.
 * Spec: PROTOCOL.md "Login by key".  (pure)
 *
 *     first    length 0:2, [account, device id] 2:length, zeros to 104
 *     second   code 0:1 (0: go on), session id 1:8                         9 bytes
 */

import type { Bytes } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import type { DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { decodeCbor, encodeCbor, hexId, record, text, type ValueOf } from "./cbor.ts";

const claimBytes = 104;
const claim = record({ account: text(limits.accountBytesMax, 1), deviceId: hexId<DeviceId>() });

/** Who says to log in. */
export type DeviceClaim = ValueOf<typeof claim>;

/** The session to be, or the wire code of the reason why there will be none. */
export type DeviceVerdict =
  | { readonly kind: "session"; readonly sessionId: bigint }
  | { readonly kind: "refused"; readonly code: number };

export function encodeDeviceClaim(who: DeviceClaim): Bytes {
  const encoded = encodeCbor(claim.toCbor(who));
  const payload = new Uint8Array(claimBytes);
  new DataView(payload.buffer).setUint16(0, encoded.length);
  payload.set(encoded, 2);
  return payload;
}

export function decodeDeviceClaim(payload: Uint8Array): Result<DeviceClaim> {
  if (payload.length !== claimBytes) return fail("a claim of the wrong length");
  const length = payload[0]! << 8 | payload[1]!;
  if (2 + length > claimBytes) return fail("a claim that is longer than its room");
  return decodeCbor(payload.subarray(2, 2 + length), claim);
}

export function encodeDeviceVerdict(verdict: DeviceVerdict): Bytes {
  const payload = new Uint8Array(9);
  if (verdict.kind === "refused") payload[0] = verdict.code;
  else new DataView(payload.buffer).setBigUint64(1, verdict.sessionId);
  return payload;
}

export function decodeDeviceVerdict(payload: Uint8Array): Result<DeviceVerdict> {
  if (payload.length !== 9) return fail("a verdict of the wrong length");
  if (payload[0] !== 0) return ok({ kind: "refused", code: payload[0]! });
  return ok({ kind: "session", sessionId: new DataView(payload.buffer, payload.byteOffset).getBigUint64(1) });
}
