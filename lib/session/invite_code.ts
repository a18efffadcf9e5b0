/**
 * invite_code: what somebody is given so that he can make an account: a secret, who the coordinator is, and maybe where it is. Laws:
 * 1) the secret is a one-time password of an account that nobody can have, so OPAQUE proves it and tells it to nobody;  2) a slip
 * of the keyboard is found before anything is sent;  3) the alphabet has no two characters that look alike.
 * Spec: PROTOCOL.md "Invites".  (pure)
 *
 *     shoal-<base32 of: secret 16, fingerprint 16, check 3; in groups of eight>[@host:port]
 */

import { createHash } from "node:crypto";
import { type Bytes, bytesEqual, concatBytes, copyBytes, formatHex, utf8 } from "../core/bytes.ts";
import { UsageError } from "../core/errors.ts";

export interface InviteCode {
  /** 16 bytes. */
  readonly secret: Bytes;
  /** Of the coordinator's long-term key: see `coordinatorFingerprint`. */
  readonly fingerprint: Bytes;
  /** Where the coordinator says that it is, `host:port`; a hint that proves nothing. */
  readonly address: string | undefined;
}

const partBytes = 16;
const checkBytes = 3;
/** Crockford's alphabet: no i, l, o, u. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const lookAlikes: Readonly<Record<string, string>> = { i: "1", l: "1", o: "0" };
const prefix = "shoal-";

/** The secret of the credential that a coordinator with open registration gives everybody: it proves nothing about who uses it. */
export const openSecret: Bytes = new Uint8Array(partBytes);

/** Who a coordinator is, in 16 bytes: of its OPAQUE key. */
export function coordinatorFingerprint(coordinatorKey: Uint8Array): Bytes {
  return digest("shoal v1 coordinator", coordinatorKey).slice(0, partBytes);
}

/** The name under which an invite logs in: `#` and 20 hex digits. It tells nothing of the secret, and no account can have it. */
export function inviteName(secret: Uint8Array): string {
  return `#${formatHex(digest("shoal v1 invite", secret).subarray(0, 10))}`;
}

/** Tells whether a name that somebody logs in with is an invite's. */
export function isInviteName(account: string): boolean {
  return account.startsWith("#");
}

/** The secret as the password that OPAQUE proves. */
export function invitePassword(secret: Uint8Array): string {
  return encodeBase32(secret);
}

/** Writes the code that is passed on. */
export function formatInviteCode({ secret, fingerprint, address }: InviteCode): string {
  const body = concatBytes(secret, fingerprint);
  const text = encodeBase32(concatBytes(body, check(body)));
  const groups = text.match(/.{1,8}/g)!.join("-");
  return `${prefix}${groups}${address === undefined ? "" : `@${address}`}`;
}

/**
 * Reads a code as people paste and type it: any case, with or without dashes and spaces.
 * @throws {UsageError} If it is none. The message does not repeat it.
 */
export function parseInviteCode(text: string): InviteCode {
  const [code = "", address] = text.trim().split("@", 2) as [string, string?];
  const letters = code.toLowerCase().replace(/^shoal-?/, "").replace(/[\s-]/g, "").replace(
    /[ilo]/g,
    (one) => lookAlikes[one]!,
  );
  const bytes = decodeBase32(letters);
  const body = bytes?.subarray(0, 2 * partBytes);
  if (bytes?.length !== 2 * partBytes + checkBytes || !bytesEqual(check(body!), bytes.subarray(2 * partBytes))) {
    throw new UsageError("Cannot read the code: it is not whole, or there is a slip in it", {
      hint: "Paste it as you got it: shoal- and 56 letters and digits",
    });
  }
  return {
    secret: copyBytes(body!.subarray(0, partBytes)),
    fingerprint: copyBytes(body!.subarray(partBytes)),
    address: address === "" ? undefined : address,
  };
}

function check(body: Uint8Array): Bytes {
  return digest("shoal v1 invite check", body).slice(0, checkBytes);
}

function digest(purpose: string, bytes: Uint8Array): Bytes {
  return new Uint8Array(createHash("sha256").update(utf8(purpose)).update("\0").update(bytes).digest());
}

function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8 | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += alphabet[held >> (bits - 5) & 31];
  }
  return bits === 0 ? text : text + alphabet[held << (5 - bits) & 31];
}

/** Undefined for what `encodeBase32` does not write: another character, or bits left over that are not zero. */
function decodeBase32(text: string): Bytes | undefined {
  const bytes = new Uint8Array(Math.floor(text.length * 5 / 8));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    const value = alphabet.indexOf(letter);
    if (value < 0) return undefined;
    held = (held << 5 | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits & 255;
    }
  }
  return bits >= 5 || (held & ((1 << bits) - 1)) !== 0 ? undefined : bytes;
}
