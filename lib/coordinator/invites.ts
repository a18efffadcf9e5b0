/**
 * invites: codes for people who are to have an account, made in the operator's own process. Law: a code is shown once and kept nowhere: what
 * is stored is its OPAQUE record, which proves nothing to who steals it (docs/adr/0023).
 */

import type { Bytes } from "../core/bytes.ts";
import {
  coordinatorFingerprint,
  formatInviteCode,
  inviteName,
  invitePassword,
  openSecret,
} from "../session/invite_code.ts";
import { coordinatorKeyOf, registerLocally, type Stretching } from "../session/opaque.ts";
import type { Random } from "../session/random.ts";

/** A code with what the store keeps of it. */
export interface MadeInvite {
  readonly code: string;
  readonly name: string;
  readonly record: string;
}

const secretBytes = 16;

export interface InviteMaker {
  readonly serverSetup: string;
  /** Where peers find the coordinator, `host:port`, if it is to stand in the code. */
  readonly address: string | undefined;
  /** Cheap in tests alone. */
  readonly stretching?: Stretching;
}

/** Makes one invite; `loadOpaque` has been awaited. Takes a tenth of a second: the secret is stretched as a password is. */
export function makeInvite(maker: InviteMaker, random: Random): MadeInvite {
  return inviteOf(random(secretBytes), maker);
}

/** The invite that open registration gives everybody; its code proves nothing about who uses it, but which coordinator it is. */
export function openInvite(maker: InviteMaker): MadeInvite {
  return inviteOf(openSecret, maker);
}

function inviteOf(secret: Bytes, { serverSetup, address, stretching }: InviteMaker): MadeInvite {
  const name = inviteName(secret);
  const password = invitePassword(secret);
  return {
    code: formatInviteCode({ secret, fingerprint: coordinatorFingerprint(coordinatorKeyOf(serverSetup)), address }),
    name,
    record: registerLocally({
      password,
      serverSetup,
      account: name,
      ...(stretching === undefined ? {} : { stretching }),
    }),
  };
}
