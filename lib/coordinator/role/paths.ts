/**
 * paths: how a session follows its device to a new address. Laws: 1) only the highest packet number so far, coming from a new
 * address, causes a challenge to it: never more bytes than came from there, one each limits.challengeEveryMs;  2) only the challenge's token, sealed
 * and from that address, moves the session;  3) until then answers go to the proven address.
 * @see RFC 9000 §9. Spec: PROTOCOL.md "Moving".  (pure)
 */

import { bytesEqual } from "../../core/bytes.ts";
import { limits } from "../../core/limits.ts";
import { type Endpoint, formatEndpoint, sameEndpoint } from "../../core/transport.ts";
import type { Random } from "../../session/random.ts";
import { envelopeSizes } from "../../wire/envelope.ts";
import { encodeMessage } from "../../wire/message.ts";
import type { Outbox } from "./outbox.ts";
import type { Pushes } from "./pushes.ts";
import type { Reachability } from "./reachability.ts";
import type { Session } from "./session.ts";

const sealingBytes = envelopeSizes.sealedHeader + envelopeSizes.tag;

export class Paths {
  readonly #outbox: Outbox;
  readonly #pushes: Pushes;
  readonly #reachability: Reachability;
  readonly #random: Random;

  constructor(outbox: Outbox, pushes: Pushes, reachability: Reachability, random: Random) {
    this.#outbox = outbox;
    this.#pushes = pushes;
    this.#reachability = reachability;
    this.#random = random;
  }

  /** Notes that an authentic datagram of `size` bytes came from another address than the proven one. */
  strayed(session: Session, from: Endpoint, size: number, newest: boolean, nowMs: number): void {
    if (!newest) return;
    let challenge = session.challenge;
    const mayChallenge = challenge === undefined || nowMs >= challenge.sentAtMs + limits.challengeEveryMs;
    // The same address keeps its token, so that an answer slower than a challenge a second still counts.
    if (challenge === undefined || !sameEndpoint(challenge.endpoint, from)) {
      if (!mayChallenge) return;
      challenge = {
        endpoint: { ip: from.ip, port: from.port },
        token: this.#random(8),
        sentAtMs: -Infinity,
        creditBytes: 0,
      };
      session.challenge = challenge;
    }
    challenge.creditBytes += size;
    if (!mayChallenge) return;
    const { token, endpoint } = challenge;
    const payload = encodeMessage(this.#pushes.nextTransaction(session), { kind: "pathChallenge", token });
    const bytes = sealingBytes + payload.length;
    if (bytes > challenge.creditBytes) return;
    challenge.creditBytes -= bytes;
    challenge.sentAtMs = nowMs;
    this.#outbox.send(endpoint, session.channel.seal(payload));
  }

  /** Takes the answer to a challenge; moves the session if it is right. */
  answered(session: Session, token: Uint8Array, from: Endpoint, nowMs: number): void {
    const challenge = session.challenge;
    if (challenge === undefined || !sameEndpoint(challenge.endpoint, from) || !bytesEqual(challenge.token, token)) {
      return;
    }
    const sameIp = session.endpoint.ip === from.ip;
    session.endpoint = challenge.endpoint;
    session.challenge = undefined;
    this.#outbox.log({
      event: "moved",
      account: session.account,
      device: session.label,
      endpoint: formatEndpoint(session.endpoint),
    });
    if (sameIp) return; // A NAT gave another UDP port: the TCP port is where it was.
    this.#reachability.moved(session, nowMs);
  }
}
