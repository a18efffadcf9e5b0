import { assert, assertEquals } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { certificateHash, certificateKey, makeCertificate } from "../../lib/net/certificate.ts";
import { signDevice } from "../../lib/session/proofs.ts";
import { type HolderChecks, mayDial, verifyHolder } from "../../lib/transfer/verified_holder.ts";
import type { HolderEntry } from "../../lib/wire/message.ts";
import { accountKey, holderCertificate, holderId, otherKey } from "./world.ts";

const checks: HolderChecks = {
  certificateKey,
  certificateHash,
  checkAccountKey: () => "remembered",
  coordinatorIsLoopback: true,
};

const entry: HolderEntry = {
  account: "alice",
  label: "nas",
  deviceId: holderId,
  accountKey: accountKey.publicKey,
  deviceSignature: signDevice(accountKey, "alice", holderId),
  certificate: holderCertificate,
  endpoints: [{ ip: "127.0.0.1", port: 80 }, { ip: "127.0.0.1", port: 4000 }],
  ticket: new Uint8Array(100),
  whole: true,
};

Deno.test("verifyHolder() passes a holder whose chain holds, with the endpoints that may be dialled", () => {
  const holder = verifyHolder(entry, checks);
  assert(!(holder instanceof ShoalError));
  assertEquals(holder.endpoints, [{ ip: "127.0.0.1", port: 4000 }]);
  assertEquals(holder.certificateHash, certificateHash(holderCertificate));
  assertEquals(verifyHolder({ ...entry, whole: false }, checks), { ...holder, whole: false });
});

const otherCertificate = await makeCertificate(otherKey);
const otherId = deviceIdFrom(otherKey.publicKey);
const refusals: Record<
  string,
  { readonly entry?: Partial<HolderEntry>; readonly checks?: Partial<HolderChecks>; code: string }
> = {
  "a certificate of another key": { entry: { certificate: otherCertificate }, code: "untrusted" },
  "a certificate that is junk": { entry: { certificate: new Uint8Array(250) }, code: "untrusted" },
  "a device that the account has not signed": {
    entry: { certificate: otherCertificate, deviceId: otherId },
    code: "untrusted",
  },
  "a signature by another account key": { entry: { accountKey: otherKey.publicKey }, code: "untrusted" },
  "a signature for another name": { entry: { account: "alicia" }, code: "untrusted" },
  "an account key that changed": { checks: { checkAccountKey: () => "changed" }, code: "untrusted" },
  "no address that may be dialled": { entry: { endpoints: [{ ip: "10.0.0.1", port: 4000 }] }, code: "unreachable" },
  "no address at all": { entry: { endpoints: [] }, code: "unreachable" },
};
for (const [what, refusal] of Object.entries(refusals)) {
  Deno.test(`verifyHolder() refuses ${what}`, () => {
    const refused = verifyHolder({ ...entry, ...refusal.entry }, { ...checks, ...refusal.checks });
    assert(refused instanceof ShoalError);
    assertEquals(refused.code, refusal.code);
  });
}

Deno.test("verifyHolder() asks about the account key only once the account has signed the device", () => {
  let asked = 0;
  const counting: HolderChecks = { ...checks, checkAccountKey: () => (asked++, "new") };
  verifyHolder({ ...entry, account: "alicia" }, counting);
  assertEquals(asked, 0);
  assert(!(verifyHolder(entry, counting) instanceof ShoalError));
  assertEquals(asked, 1);
});

Deno.test("mayDial() dials loopback if the coordinator is there, and nothing else then", () => {
  const loopbacks = ["127.0.0.1", "127.255.0.9", "::1"];
  const others = ["192.0.2.7", "10.1.2.3", "2001:db8::7", "fd00::1", "223.255.255.254"];
  for (const ip of loopbacks) {
    assertEquals([mayDial({ ip, port: 1024 }, true), mayDial({ ip, port: 1024 }, false)], [true, false]);
  }
  for (const ip of others) {
    assertEquals([mayDial({ ip, port: 1024 }, true), mayDial({ ip, port: 1024 }, false)], [false, true]);
  }
});

Deno.test("mayDial() refuses names, privileged ports, and addresses that are nobody's or everybody's", () => {
  assertEquals(mayDial({ ip: "192.0.2.7", port: 1023 }, false), false);
  const refused = [
    "",
    "localhost",
    "peer.example",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "0x7f.0.0.1",
    "2130706433",
    "::",
    "::ffff:192.0.2.7",
    "::ffff:127.0.0.1",
    "::192.0.2.7",
    "64:ff9b::192.0.2.7",
    "2002:c000:207::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "2001:db8::1::2",
    "2001:db8::zz",
    "2001:db8::1]:80/x[",
    "0:0:0:0:0:0:0:1",
  ];
  for (const ip of refused) {
    for (const isLoopback of [true, false]) assertEquals(mayDial({ ip, port: 4000 }, isLoopback), false, ip);
  }
});
