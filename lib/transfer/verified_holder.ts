/**
 * verified_holder: turns what the coordinator says about a holder into one that may be dialled, or into a refusal. The coordinator
 * introduces, it does not vouch. Laws: 1) certificate, device key and account key are one chain, checked link by link, and the account
 * key is the remembered one;  2) nobody is aimed at third parties: addresses are numeric, ports unprivileged, and loopback is dialled
 * if and only if the coordinator itself is there.  Spec: PROTOCOL.md "LOCATE", SECURITY.md.  (pure)
 */

import { type Bytes, bytesEqual } from "../core/bytes.ts";
import { ShoalError } from "../core/errors.ts";
import { type DeviceId, idBytes } from "../core/ids.ts";
import { type Endpoint, isLoopback } from "../core/transport.ts";
import { verifyDevice } from "../session/proofs.ts";
import type { HolderEntry } from "../wire/message.ts";
import type { KeyTrust } from "./admission.ts";

/** A device that has a content, and all that is needed to fetch from it and from no other. */
export interface VerifiedHolder {
  readonly account: string;
  /** What the device is called. */
  readonly label: string;
  readonly deviceId: DeviceId;
  /** DER; carries the key that is `deviceId`. */
  readonly certificate: Bytes;
  readonly certificateHash: Bytes;
  /** At least one. */
  readonly endpoints: readonly Endpoint[];
  readonly ticket: Bytes;
  /** False for one that still fetches it, and serves the pieces that it has. */
  readonly whole: boolean;
}

export interface HolderChecks {
  /** The Ed25519 key in a certificate, and the certificate's SHA-256; `net`'s. */
  readonly certificateKey: (der: Uint8Array) => Bytes | undefined;
  readonly certificateHash: (der: Uint8Array) => Bytes;
  readonly checkAccountKey: (account: string, accountKey: Uint8Array) => KeyTrust;
  /** Whether the coordinator's own address is a loopback one. */
  readonly coordinatorIsLoopback: boolean;
}

/** Checks one entry of a LOCATE answer; answers the reason, as an error that a user can be shown, if it is refused. */
export function verifyHolder(entry: HolderEntry, checks: HolderChecks): VerifiedHolder | ShoalError {
  const { account, label, deviceId, certificate, ticket, whole } = entry;
  const refuse = (code: "untrusted" | "unreachable", reason: string, hint?: string) =>
    new ShoalError(code, `Cannot fetch from ${account} (${label}): ${reason}`, hint === undefined ? {} : { hint });

  const key = checks.certificateKey(certificate);
  if (key === undefined || !bytesEqual(key, idBytes(deviceId))) {
    return refuse("untrusted", "its certificate is of another device");
  }
  if (!verifyDevice(entry.accountKey, entry.deviceSignature, account, deviceId)) {
    return refuse("untrusted", "the account has not signed this device");
  }
  if (checks.checkAccountKey(account, entry.accountKey) === "changed") {
    return refuse(
      "untrusted",
      "the account has another key than the one remembered here",
      `Compare fingerprints with them (fingerprint ${account}); if they agree: trust ${account}`,
    );
  }
  const endpoints = entry.endpoints.filter((endpoint) => mayDial(endpoint, checks.coordinatorIsLoopback));
  if (endpoints.length === 0) return refuse("unreachable", "it has no address that may be dialled from here");
  return {
    account,
    label,
    deviceId,
    certificate,
    certificateHash: checks.certificateHash(certificate),
    endpoints,
    ticket,
    whole,
  };
}

/** Tells whether an endpoint from the network may be dialled. */
export function mayDial({ ip, port }: Endpoint, coordinatorIsLoopback: boolean): boolean {
  if (port < 1024 || isLoopback(ip) !== coordinatorIsLoopback) return false;
  return ip.includes(":") ? isUnicast6(ip) : isUnicast4(ip);
}

/** Four numbers; neither "this network" (0/8) nor multicast, reserved or broadcast (224/3). */
function isUnicast4(ip: string): boolean {
  const parts = ip.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return false;
  const first = Number(parts[0]);
  return first > 0 && first < 224;
}

/**
 * Global, unique local or loopback. Not: unspecified, multicast, link-local (no zone travels), nor an IPv4 address in IPv6's clothes
 * (mapped, translated, 6to4), which would pass by the checks above.
 */
function isUnicast6(ip: string): boolean {
  if (!/^[0-9a-f:.]+$/i.test(ip) || !URL.canParse(`http://[${ip}]/`)) return false;
  if (ip === "::1") return true;
  const first = parseInt(ip, 16);
  const isGlobal = first >> 13 === 1 && first !== 0x2002;
  const isUniqueLocal = first >> 9 === 0x7e;
  return !ip.includes(".") && (isGlobal || isUniqueLocal);
}
