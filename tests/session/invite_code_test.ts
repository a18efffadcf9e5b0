import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/core/errors.ts";
import {
  coordinatorFingerprint,
  formatInviteCode,
  inviteName,
  invitePassword,
  isInviteName,
  parseInviteCode,
} from "../../lib/session/invite_code.ts";

const secret = new Uint8Array(16).map((_, i) => 16 * i + 3);
const fingerprint = coordinatorFingerprint(new Uint8Array(32).fill(7));
const code = formatInviteCode({ secret, fingerprint, address: undefined });

Deno.test("a code is read as it was written, with its address or without", () => {
  assertEquals(parseInviteCode(code), { secret, fingerprint, address: undefined });
  const address = "share.example.org:5000";
  const whole = formatInviteCode({ secret, fingerprint, address });
  assertEquals(parseInviteCode(whole), { secret, fingerprint, address });
  assertEquals(whole, `${code}@${address}`);
});

Deno.test("a code is read as people type it: any case, dashes or not, look-alikes for each other", () => {
  const typed = code.toUpperCase().replaceAll("-", " ").replaceAll("0", "O").replaceAll("1", "l");
  assertEquals(parseInviteCode(` ${typed}\n`), { secret, fingerprint, address: undefined });
  assertEquals(parseInviteCode(code.slice("shoal-".length)).secret, secret);
  assert(!/[ilou]/.test(code.slice("shoal-".length)), "no letter that is mistaken for another");
});

Deno.test("a slip in a code is found, and the message does not repeat the code", () => {
  const letters = [...code.slice("shoal-".length)];
  for (let at = 0; at < letters.length; at++) {
    if (letters[at] === "-") continue;
    const other = letters[at] === "7" ? "8" : "7";
    const slip = `shoal-${letters.with(at, other).join("")}`;
    const error = assertThrows(() => parseInviteCode(slip), UsageError);
    assert(!error.message.includes(slip.slice(6, 14)));
  }
  for (const bad of ["", "shoal-", code.slice(0, -1), `${code}0`, "ada", code.replace("-", "-u")]) {
    assertThrows(() => parseInviteCode(bad), UsageError);
  }
});

Deno.test("an invite's name tells nothing of its secret, and no account can have it", () => {
  const name = inviteName(secret);
  assert(/^#[0-9a-f]{20}$/.test(name));
  assert(isInviteName(name));
  assert(!isInviteName("ada"));
  assertNotEquals(name, inviteName(new Uint8Array(16)));
  assert(!invitePassword(secret).includes(name.slice(1)));
});
