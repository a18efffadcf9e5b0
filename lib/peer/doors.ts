/**
 * doors: lets few of our connections stand before one holder's door, far fewer than it allows strangers of one address, so that many
 * small fetches at once wait for their turn here instead of being turned away there, and so do others behind the same address.
 * Laws: 1) a connection takes its place before it dials, and gives it back once the holder has answered its HELLO, or it is closed;
 * 2) who waits longest goes first;  3) waiting ends with the fetch's own signal.
 * Spec: PROTOCOL.md "Transfer".  (pure over the connect that is passed in)
 */

import { ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type ByteStream, type Endpoint, formatEndpoint } from "../core/transport.ts";
import type { Connect } from "../transfer/lane.ts";
import { encodeFrame } from "../wire/frame.ts";

/** All that a holder says to a stranger. */
const challengeBytes = encodeFrame({ kind: "challenge", version: 1, nonce: new Uint8Array(32) }).length;

interface Door {
  taken: number;
  readonly waiting: (() => void)[];
}

export class Doors {
  readonly #connect: Connect;
  /** By endpoint; a door where nobody stands is forgotten. */
  readonly #doors = new Map<string, Door>();

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** Dials like the `connect` that this was made with, when there is a place. */
  readonly connect: Connect = async (options) => {
    const giveBack = await this.enter(options.endpoint, options.signal);
    try {
      return watched(await this.#connect(options), giveBack);
    } catch (error) {
      giveBack();
      throw error;
    }
  };

  /**
   * Waits for a place, for a connection that is made elsewhere; answers what gives it back, safe to call twice.
   * @throws {ShoalError} `interrupted`, if `signal` is aborted.
   */
  async enter(endpoint: Endpoint, signal: AbortSignal): Promise<() => void> {
    const key = formatEndpoint(endpoint);
    if (signal.aborted) throw interrupted(key);
    const door = this.#doors.get(key) ?? { taken: 0, waiting: [] };
    this.#doors.set(key, door);
    if (door.taken < limits.dialsMax) door.taken++;
    else if (!await waitForTurn(door, signal)) throw interrupted(key);
    let isGiven = false;
    const giveBack = () => {
      if (isGiven) return;
      isGiven = true;
      const next = door.waiting.shift();
      if (next !== undefined) next();
      else if (--door.taken === 0) this.#doors.delete(key);
    };
    if (!signal.aborted) return giveBack;
    giveBack();
    throw interrupted(key);
  }
}

/** Resolves when somebody hands over a place; false if the signal was aborted before. */
async function waitForTurn({ waiting }: Door, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const take = () => resolve(true);
  const giveUp = () => {
    const at = waiting.indexOf(take);
    if (at < 0) return; // A place was handed over just now.
    waiting.splice(at, 1);
    resolve(false);
  };
  waiting.push(take);
  signal.addEventListener("abort", giveUp, { once: true });
  const isTaken = await promise;
  signal.removeEventListener("abort", giveUp);
  return isTaken;
}

function interrupted(where: string): ShoalError {
  return new ShoalError("interrupted", `Cannot connect to ${where}: interrupted`);
}

/** The stream, which gives its place back when more than the holder's greeting has come, or at its end. */
function watched(stream: ByteStream, giveBack: () => void): ByteStream {
  let receivedBytes = 0;
  return {
    remote: stream.remote,
    async read(buffer) {
      const count = await stream.read(buffer);
      if (receivedBytes <= challengeBytes) {
        receivedBytes += count ?? Infinity;
        if (receivedBytes > challengeBytes) giveBack();
      }
      return count;
    },
    write: (bytes) => stream.write(bytes),
    close() {
      giveBack();
      stream.close();
    },
  };
}
