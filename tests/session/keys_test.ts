import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createHash, hkdfSync, sign } from "node:crypto";
import { formatHex, parseHex } from "../../lib/core/bytes.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { formatFingerprint, openAccountKey, sealAccountKey } from "../../lib/session/account_key.ts";
import { signContext, signingKeyFrom, verifyContext } from "../../lib/session/device_key.ts";
import { deriveSessionKeys, transcriptHash } from "../../lib/session/handshake_keys.ts";
import {
  proveAuth,
  proveStart,
  proveTransfer,
  signDevice,
  verifyAuth,
  verifyDevice,
  verifyStart,
  verifyTransfer,
} from "../../lib/session/proofs.ts";
import { emptyShareDigest, toggleShare } from "../../lib/session/share_digest.ts";
import { loadVectors } from "../vectors/load.ts";
import {
  accountKey,
  certificate,
  cookie,
  device,
  deviceId,
  first,
  ke1,
  ke3,
  second,
  sequence,
} from "../wire/samples.ts";
import { forEveryone } from "../../lib/core/audience.ts";
import type { ShareEntry } from "../../lib/wire/message.ts";

const vectors = loadVectors("session.txt");
const envelopes = loadVectors("envelopes.txt");
const transcript = vectors.get("transcript")!;
const ticket = vectors.get("ticket")!;
const certificateHash = new Uint8Array(createHash("sha256").update(certificate).digest());
const exportKey = sequence(0x40, 64);

Deno.test("signing keys are those of RFC 8032 §7.1", () => {
  for (
    const [seed, publicKey, message, signature] of [
      [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2465" +
        "5141438e7a100b",
      ],
      [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb0" +
        "0d291612bb0c00",
      ],
    ] as const
  ) {
    const key = signingKeyFrom(parseHex(seed)!);
    assertEquals(formatHex(key.publicKey), publicKey);
    assertEquals(sign(null, parseHex(message)!, key.privateKey).toString("hex"), signature);
  }
  assertThrows(() => signingKeyFrom(new Uint8Array(31)), RangeError);
});

Deno.test("session keys are HKDF-SHA256 (RFC 5869) of the OPAQUE key, salted with the transcript", () => {
  // RFC 5869 A.1, so that the function underneath is the published one.
  const okm = hkdfSync("sha256", parseHex("0b".repeat(22))!, sequence(0, 13), sequence(0xf0, 10), 42);
  assertEquals(
    formatHex(new Uint8Array(okm)),
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
  const start = envelopes.get("start of a known device")!;
  assertEquals(transcriptHash(start, envelopes.get("reply")!, ke3), transcript);
  const keys = deriveSessionKeys(sequence(0, 64), transcript);
  assertEquals(keys, { toCoordinator: vectors.get("key to coordinator")!, toPeer: vectors.get("key to peer")! });
  const other = deriveSessionKeys(sequence(0, 64), transcript.with(0, 1));
  assertNotEquals(other.toCoordinator, keys.toCoordinator);
});

Deno.test("every proof is its vector, and verifies", () => {
  assertEquals(device.publicKey, vectors.get("device public key")!);
  assertEquals(accountKey.publicKey, vectors.get("account public key")!);
  for (const { name, prove } of proofs) assertEquals(prove(), vectors.get(name)!, name);
  for (const { name, prove, verify } of proofs) assert(verify(prove()), name);
});

const nonce = sequence(0, 32);
const loginKey = sequence(0xc0, 32);

/** Every statement, with how it is verified. */
const proofs: readonly { name: string; prove: () => Uint8Array; verify: (signature: Uint8Array) => boolean }[] = [
  {
    name: "signature of START",
    prove: () => proveStart(device, cookie, "ada", ke1),
    verify: (signature) => verifyStart(deviceId, signature, cookie, "ada", ke1),
  },
  {
    name: "signature of AUTH",
    prove: () => proveAuth(device, transcript, loginKey),
    verify: (signature) => verifyAuth(deviceId, signature, transcript, loginKey),
  },
  {
    name: "signature of a device",
    prove: () => signDevice(accountKey, "ada", deviceId),
    verify: (signature) => verifyDevice(accountKey.publicKey, signature, "ada", deviceId),
  },
  {
    name: "signature of a transfer",
    prove: () => proveTransfer(device, certificateHash, nonce, ticket),
    verify: (signature) => verifyTransfer(deviceId, signature, certificateHash, nonce, ticket),
  },
];

Deno.test("no proof serves for another purpose, for another key, or with one bit changed", () => {
  for (const made of proofs) {
    const signature = made.prove();
    for (const other of proofs) assertEquals(other.verify(signature), other === made, `${made.name} as ${other.name}`);
    for (let bit = 0; bit < 512; bit += 7) {
      const changed = signature.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assertEquals(made.verify(changed), false);
    }
    for (const size of [0, 63, 65]) assertEquals(made.verify(new Uint8Array(size)), false);
  }
});

Deno.test("a proof covers every part of what it says", () => {
  const other = signingKeyFrom(new Uint8Array(32).fill(9));
  const otherId = deviceIdFrom(other.publicKey);
  const start = proveStart(device, cookie, "ada", ke1);
  assertEquals(verifyStart(otherId, start, cookie, "ada", ke1), false);
  assertEquals(verifyStart(deviceId, start, cookie.with(0, 9), "ada", ke1), false);
  assertEquals(verifyStart(deviceId, start, cookie, "bob", ke1), false);
  assertEquals(verifyStart(deviceId, start, cookie, "ada", ke1.with(5, 9)), false);
  const auth = proveAuth(device, transcript, loginKey);
  assertEquals(verifyAuth(deviceId, auth, transcript.with(0, 1), loginKey), false);
  assertEquals(verifyAuth(deviceId, auth, transcript, loginKey.with(31, 0)), false);
  const signed = signDevice(accountKey, "ada", deviceId);
  assertEquals(verifyDevice(accountKey.publicKey, signed, "ad", deviceId), false);
  assertEquals(verifyDevice(accountKey.publicKey, signed, "ada", otherId), false);
  assertEquals(verifyDevice(other.publicKey, signed, "ada", deviceId), false);
  const transfer = proveTransfer(device, certificateHash, nonce, ticket);
  assertEquals(verifyTransfer(deviceId, transfer, certificateHash.with(0, 1), nonce, ticket), false);
  assertEquals(verifyTransfer(deviceId, transfer, certificateHash, nonce.with(0, 1), ticket), false);
  assertEquals(verifyTransfer(deviceId, transfer, certificateHash, nonce, ticket.with(20, 0)), false);
});

Deno.test("signContext() reads alike no two lists of parts and no two contexts", () => {
  const part = (text: string) => new TextEncoder().encode(text);
  const signature = signContext(device, "c", part("ab"), part("c"));
  assert(verifyContext(device.publicKey, signature, "c", part("ab"), part("c")));
  assertEquals(verifyContext(device.publicKey, signature, "c", part("a"), part("bc")), false);
  assertEquals(verifyContext(device.publicKey, signature, "c", part("abc")), false);
  assertEquals(verifyContext(device.publicKey, signature, "c", part("ab"), part("c"), part("")), false);
  assertEquals(verifyContext(device.publicKey, signature, "d", part("ab"), part("c")), false);
  for (const key of [new Uint8Array(32).fill(255), new Uint8Array(31), new Uint8Array(0)]) {
    assertEquals(verifyContext(key, signature, "c", part("ab"), part("c")), false);
  }
});

Deno.test("an account key opens with the export key and the account it was sealed for, and says so otherwise", () => {
  const sealed = sealAccountKey(exportKey, "ada", accountKey, () => sequence(0xd0, 12));
  assertEquals(sealed, vectors.get("sealed account key")!);
  const stored = { publicKey: accountKey.publicKey, sealed };
  assertEquals(openAccountKey(exportKey, "ada", stored)?.seed, accountKey.seed);
  assertEquals(openAccountKey(exportKey.with(0, 1), "ada", stored), undefined, "another password");
  assertEquals(openAccountKey(exportKey, "bob", stored), undefined, "another account");
  assertEquals(openAccountKey(exportKey, "ada", { ...stored, publicKey: device.publicKey }), undefined, "another key");
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.with(at, sealed[at]! ^ 1);
    assertEquals(openAccountKey(exportKey, "ada", { ...stored, sealed: changed }), undefined);
  }
  for (const size of [0, 59, 61]) {
    assertEquals(openAccountKey(exportKey, "ada", { ...stored, sealed: new Uint8Array(size) }), undefined);
  }
});

Deno.test("formatFingerprint() writes 128 bits as eight words, different for different keys", () => {
  const words = formatFingerprint(accountKey.publicKey);
  assertEquals(words, formatFingerprint(accountKey.publicKey));
  assertEquals(
    /^([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz](-([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz]){7}$/.test(
      words,
    ),
    true,
  );
  // Of the proquint paper: 127.0.0.1 and 63.84.220.193.
  const bytes = new Uint8Array(32);
  bytes.set([127, 0, 0, 1, 63, 84, 220, 193]);
  assert(formatFingerprint(bytes).startsWith("lusab-babad-gutih-tugad-"));
  for (let bit = 0; bit < 128; bit++) {
    const changed = accountKey.publicKey.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assertNotEquals(formatFingerprint(changed), words);
  }
});

Deno.test("a share digest is the same for the same list in any order, and another for any other entry", () => {
  const audience = [{ kind: "account", name: "bob" }, { kind: "group", name: "friends" }] as const;
  const entries: ShareEntry[] = [
    { name: "dir/a.txt", id: first, bytes: 23, ...forEveryone },
    { name: "\u6f22", id: second, bytes: 2 ** 44, audience, description: "seen" },
  ];
  const digestOf = (list: typeof entries) => {
    const digest = emptyShareDigest();
    for (const entry of list) toggleShare(digest, entry);
    return digest;
  };
  const digest = digestOf(entries);
  assertEquals(digest, vectors.get("share digest")!);
  assertEquals(digestOf(entries.toReversed()), digest);
  for (const change of [{ name: "dir/b.txt" }, { id: second }, { bytes: 24 }, { audience: [] }, { description: "x" }]) {
    assertNotEquals(digestOf([{ ...entries[0]!, ...change }, entries[1]!]), digest);
  }
  const others = [
    ...[null, [], audience.slice(0, 1), [{ kind: "group", name: "bob" } as const, audience[1]]].map((audience) => ({
      audience,
    })),
    ...["", "see", "bob"].map((description) => ({ description })),
  ];
  const digests = others.map((other) => formatHex(digestOf([entries[0]!, { ...entries[1]!, ...other }])));
  assertEquals(new Set([formatHex(digest), ...digests]).size, 1 + others.length, "whom it is for and what it is count");
  for (const entry of entries) toggleShare(digest, entry);
  assertEquals(digest, emptyShareDigest());
});
