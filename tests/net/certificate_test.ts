import { assert, assertEquals } from "@std/assert";
import { generateKeyPairSync } from "node:crypto";
import { limits } from "../../lib/core/limits.ts";
import { certificateHash, certificateKey, makeCertificate } from "../../lib/net/certificate.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";

const key = signingKeyFrom(new Uint8Array(32).fill(7));
const certificate = await makeCertificate(key);

Deno.test("makeCertificate() is a function of the key and fits its limit", async () => {
  assertEquals(await makeCertificate(key), certificate);
  assert(certificate.length <= limits.certificateBytesMax, `${certificate.length} bytes`);
});

Deno.test("certificateKey() reads the device's key back", () => {
  assertEquals(certificateKey(certificate), key.publicKey);
});

Deno.test("certificateKey() answers undefined for junk, cuts and other kinds of key, and never throws", () => {
  for (let length = 0; length < certificate.length; length++) {
    assertEquals(certificateKey(certificate.subarray(0, length)), undefined);
  }
  assertEquals(certificateKey(new Uint8Array(4000)), undefined);
  const { publicKey } = generateKeyPairSync("ed25519");
  assertEquals(
    certificateKey(new Uint8Array(publicKey.export({ format: "der", type: "spki" }) as Uint8Array)),
    undefined,
  );
  for (let at = 0; at < certificate.length; at++) {
    const flipped = certificate.slice();
    flipped[at]! ^= 0x10;
    const read = certificateKey(flipped);
    assert(read === undefined || read.length === 32);
  }
});

Deno.test("certificateHash() is SHA-256", async () => {
  assertEquals(certificateHash(certificate), new Uint8Array(await crypto.subtle.digest("SHA-256", certificate)));
});
