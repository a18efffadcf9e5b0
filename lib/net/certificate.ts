/**
 * certificate: a device's self-signed certificate (RFC 5280, RFC 8410). It carries the device's key into TLS and says nothing else:
 * who the device belongs to is signed elsewhere. Laws: 1) it is a function of the key alone, so a device has one;  2) certificates of
 * others are untrusted bytes: reading one never throws.  Spec: PROTOCOL.md "Certificates".  (pure)
 */

import { Buffer } from "node:buffer";
import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import { type Bytes, copyBytes } from "../core/bytes.ts";
import { limits } from "../core/limits.ts";

/** The one name in every certificate. Under a `.invalid` name (RFC 2606 §2) no public authority can vouch for anybody. */
export const certificateName = "peer.invalid";

/** The half of a signing key that certificates and TLS need; `session`'s SigningKey is one. */
export interface CertificateKey {
  /** 32 bytes of Ed25519. */
  readonly publicKey: Bytes;
  readonly privateKey: KeyObject;
}

/** SubjectPublicKeyInfo of Ed25519 (RFC 8410 §4): the 32 key bytes follow. */
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");

/** Makes the certificate of a device key: about 250 bytes of DER, valid to the year 9999. Loads its library (0.2 s) on the first call. */
export async function makeCertificate(key: CertificateKey): Promise<Bytes> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const pkcs8 = copyBytes(key.privateKey.export({ format: "der", type: "pkcs8" }) as Uint8Array);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: "01",
    subject: "CN=peer",
    issuer: "CN=peer",
    notBefore: new Date("2020-01-01T00:00:00Z"),
    notAfter: new Date("9999-12-31T23:59:59Z"),
    signingAlgorithm: { name: "Ed25519" },
    signingKey: await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]),
    publicKey: await crypto.subtle.importKey("raw", key.publicKey, "Ed25519", true, ["verify"]),
    extensions: [
      // Without CA:FALSE the TLS library refuses an end entity.
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: certificateName }]),
    ],
  });
  return new Uint8Array(certificate.rawData);
}

/** Reads the Ed25519 public key (32 bytes) out of a certificate; undefined for anything that is none. Never throws. */
export function certificateKey(der: Uint8Array): Bytes | undefined {
  if (der.length === 0 || der.length > limits.certificateBytesMax) return undefined;
  try {
    const spki = new X509Certificate(Buffer.from(der)).publicKey.export({ format: "der", type: "spki" });
    if (spki.length !== spkiPrefix.length + 32 || !spki.subarray(0, spkiPrefix.length).equals(spkiPrefix)) {
      return undefined;
    }
    return copyBytes(spki.subarray(spkiPrefix.length));
  } catch {
    return undefined; // No certificate, or of a key kind that is not ours.
  }
}

/** SHA-256 of a certificate: what a fetching device signs, so that its proof serves at this holder alone. */
export function certificateHash(der: Uint8Array): Bytes {
  return copyBytes(createHash("sha256").update(der).digest());
}

/** Writes a certificate as PEM (RFC 7468), the form in which TLS libraries take it. */
export function certificatePem(der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** Writes a private key as PKCS #8 PEM. A secret: it goes to the TLS library and nowhere else. */
export function privateKeyPem(key: CertificateKey): string {
  return key.privateKey.export({ format: "pem", type: "pkcs8" }) as string;
}
