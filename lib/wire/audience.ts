/**
 * audience: for whom a share is, on the wire. Law: the largest audience fits a datagram beside the largest name and description.
 * Spec: PROTOCOL.md "Visibility".  (pure)
 */

import { type Audience, audienceBytes, audienceKinds, type AudienceMember } from "../core/audience.ts";
import { limits } from "../core/limits.ts";
import { choice, type Field, list, optional, record, text } from "./cbor.ts";

const member = record({ kind: choice(audienceKinds), name: text(limits.accountBytesMax, 1) });
const members = list(member, limits.audienceMembersMax);

const boundedMembers: Field<readonly AudienceMember[]> = {
  toCbor(value) {
    if (audienceBytes(value) > limits.audienceBytesMax) {
      throw new RangeError(`An audience of more than ${limits.audienceBytesMax} bytes`);
    }
    return members.toCbor(value);
  },
  fromCbor(value) {
    const read = members.fromCbor(value);
    // What a decoder throws becomes its result.
    if (audienceBytes(read) > limits.audienceBytesMax) throw new Error("an audience over its limit");
    return read;
  },
};

/** The field of a share and of a file in its owner's list. */
export const audienceField: Field<Audience> = optional(boundedMembers);
