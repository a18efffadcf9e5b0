/**
 * honest_peer: a peer as it should be, over a real socket, whose every request must be answered rightly. Law: whatever goes
 * wrong for it is thrown by the next question.  (I/O)
 */

import { deepStrictEqual } from "node:assert";
import { type Bytes, formatHex } from "../../lib/core/bytes.ts";
import type { ShoalError } from "../../lib/core/errors.ts";
import type { ContentId } from "../../lib/core/ids.ts";
import type { Datagrams, Endpoint } from "../../lib/core/transport.ts";
import type { Identity } from "../../lib/membership/types.ts";
import { makeCertificate } from "../../lib/net/certificate.ts";
import { listenUdp } from "../../lib/net/udp.ts";
import { Control } from "../../lib/peer/control.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { prove } from "../../lib/session/opaque.ts";
import { toggleShare } from "../../lib/session/share_digest.ts";
import type { ShareEntry } from "../../lib/wire/message.ts";
import { searchFor } from "../../lib/wire/search_query.ts";
import { forEveryone } from "../../lib/core/audience.ts";

export interface HonestPeerOptions {
  readonly coordinator: Endpoint;
  readonly account: string;
  readonly password: string;
  /** Sees every datagram that the peer sends or is sent. */
  readonly onDatagram: (datagram: Uint8Array, direction: "out" | "in") => void;
}

const firstPage = new Uint8Array(0);

export class HonestPeer implements Disposable {
  readonly #options: HonestPeerOptions;
  readonly #control: Control;
  readonly #entry: ShareEntry;
  #failure: ShoalError | undefined;
  /** What its last login established. */
  identity: Identity | undefined;
  /** How often it was online anew, the first time too. */
  logins = 0;
  /** Keep-alives that were answered. */
  keptAlive = 0;

  private constructor(options: HonestPeerOptions, certificate: Bytes, seed: Bytes) {
    this.#options = options;
    const device = signingKeyFrom(seed);
    this.#entry = {
      name: `${options.account}'s own file`,
      id: formatHex(device.publicKey) as ContentId,
      bytes: 7,
      ...forEveryone,
    };
    this.#control = new Control(
      tap(listenUdp({ ip: "127.0.0.1", port: 0 }), options.onDatagram),
      options.coordinator,
      {
        device,
        certificate,
        label: "honest",
        random: (size) => crypto.getRandomValues(new Uint8Array(size)),
        prove: (step) => Promise.resolve(prove(step)),
      },
      {
        online: () => this.logins++,
        alive: () => this.keptAlive++,
        offline: (error) => this.#failure ??= error,
        denied: (error) => this.#failure ??= error,
        revoked: () => {},
        found: () => {},
      },
    );
  }

  /** Logs in, and shares a file of its own. */
  static async open(options: HonestPeerOptions): Promise<HonestPeer> {
    const seed = crypto.getRandomValues(new Uint8Array(32));
    const peer = new HonestPeer(options, await makeCertificate(signingKeyFrom(seed)), seed);
    const digest = new Uint8Array(32);
    toggleShare(digest, peer.#entry);
    peer.#control.setPresence(0, digest);
    await peer.#login();
    await peer.#control.request({ kind: "share", entries: [peer.#entry] });
    return peer;
  }

  /** Logs out and in again: its device is known, so no crowd of strangers may keep it out. */
  async comeBack(): Promise<void> {
    await this.#control.leave();
    await this.#login();
  }

  /** Asks what the coordinator answers at once, from memory: by then it has received whatever was sent before. */
  async pace(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    deepStrictEqual((await this.#control.request({ kind: "unwatch", watch: 1 })).kind, "done");
  }

  /** Asks one thing, the next in turn, and holds the answer against what it must be. @throws {Error} If it is wrong or does not come. */
  async ask(turn: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { account } = this.#options;
    switch (turn % 4) {
      case 0: {
        const search = { kind: "search", ...searchFor("substring", this.#entry.name), cursor: firstPage } as const;
        const { files } = await this.#control.request(search);
        const told = files.map(({ sharedAtMs: _, ...file }) => file);
        deepStrictEqual(told, [{ ...this.#entry, holders: 1, withdrawn: false }]);
        break;
      }
      case 1: {
        const { peers } = await this.#control.request({ kind: "listPeers", cursor: firstPage });
        const own = peers.find((peer) => peer.account === account && peer.label === "honest");
        deepStrictEqual(own?.online, true);
        break;
      }
      case 2: {
        const { files } = await this.#control.request({ kind: "listFiles", scope: "device", cursor: firstPage });
        deepStrictEqual(files.map((file) => file.name), [this.#entry.name]);
        break;
      }
      default:
        deepStrictEqual((await this.#control.request({ kind: "account", account })).account, account);
    }
  }

  [Symbol.dispose](): void {
    this.#control[Symbol.dispose]();
  }

  /** By its password the first time, by its key from then on. */
  async #login(): Promise<void> {
    const { account, password } = this.#options;
    const { identity } = this;
    this.identity =
      await (identity === undefined ? this.#control.login(account, password) : this.#control.loginByKey(identity));
  }
}

/** Shows every datagram that goes over a socket. */
function tap(datagrams: Datagrams, onDatagram: HonestPeerOptions["onDatagram"]): Datagrams {
  return {
    local: datagrams.local,
    async receive() {
      const received = await datagrams.receive();
      if (received !== undefined) onDatagram(received.bytes, "in");
      return received;
    },
    send(bytes, to) {
      onDatagram(bytes, "out");
      return datagrams.send(bytes, to);
    },
    close: () => datagrams.close(),
  };
}
