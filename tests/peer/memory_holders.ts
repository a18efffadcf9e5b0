/** memory_holders: holders of small files with real transfers over pipes, and a coordinator's answers about them. */

import { NetworkError } from "../../lib/core/errors.ts";
import { type Content, contentKey, type DeviceId } from "../../lib/core/ids.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import type { Located } from "../../lib/transfer/fetch.ts";
import type { Connect } from "../../lib/transfer/lane.ts";
import { serveConnection, type UploadDeps } from "../../lib/transfer/upload.ts";
import type { VerifiedHolder } from "../../lib/transfer/verified_holder.ts";
import { ticketKeysFor } from "../../lib/session/ticket.ts";
import { makePipe } from "../transfer/pipe.ts";
import { makeSet } from "../transfer/takes.ts";
import {
  makeDeps,
  makeHolder,
  makeTicket,
  type MemoryFile,
  MemoryLibrary,
  nowMs,
  ticketRoot,
} from "../transfer/world.ts";

/** One device with files. */
export class MemoryHolder {
  readonly name: string;
  readonly deviceId: DeviceId;
  readonly port: number;
  readonly library: MemoryLibrary;
  /** Contents that the coordinator names it for. */
  readonly named: Set<string>;
  readonly ended: Promise<unknown>[] = [];
  /** Whether it refuses connections. */
  isGone = false;
  deps: Partial<UploadDeps> = {};
  #open: ByteStream[] = [];

  constructor(name: string, number: number, files: readonly MemoryFile[]) {
    this.name = name;
    this.deviceId = String(number).repeat(64) as DeviceId;
    this.port = 5000 + number;
    this.library = new MemoryLibrary(...files);
    this.named = new Set(files.map(({ content }) => contentKey(content)));
  }

  get connections(): number {
    return this.ended.length;
  }

  accept(): ByteStream {
    const [near, far] = makePipe();
    const ticketKeys = () => ticketKeysFor(ticketRoot, nowMs, this.deviceId);
    this.#open.push(near);
    this.ended.push(
      serveConnection(near, makeDeps(this.library, { ticketKeys, ...this.deps }), new AbortController().signal),
    );
    return { ...far, remote: { ip: "127.0.0.1", port: this.port } };
  }

  /** Cuts its connections, and takes no more. */
  die(): void {
    this.isGone = true;
    for (const stream of this.#open.splice(0)) stream.close();
  }

  /** Does something before its read of that number, from 1. */
  atRead(number: number, act: () => void): void {
    let reads = 0;
    this.library.beforeRead = () => {
      if (++reads === number) act();
    };
  }

  /** As a LOCATE names it. */
  as(content: Content): VerifiedHolder {
    return makeHolder(makeTicket(content, {}, this.deviceId), {
      account: this.name,
      label: "nas",
      deviceId: this.deviceId,
      endpoints: [{ ip: "127.0.0.1", port: this.port }],
    });
  }
}

export class MemoryHolders {
  readonly all: MemoryHolder[] = [];
  /** Contents that LOCATE was asked for. */
  readonly located: Content[] = [];

  add(name: string, files: readonly MemoryFile[]): MemoryHolder {
    const holder = new MemoryHolder(name, this.all.length + 1, files);
    this.all.push(holder);
    return holder;
  }

  readonly locate = (content: Content): Promise<Located> => {
    this.located.push(content);
    const holders = this.all.filter(({ named }) => named.has(contentKey(content))).map((holder) => holder.as(content));
    return Promise.resolve({ holders, refused: [] });
  };

  readonly connect: Connect = ({ endpoint }) => {
    const holder = this.all.find(({ port }) => port === endpoint.port);
    if (holder === undefined || holder.isGone) {
      return Promise.reject(new NetworkError("Cannot connect: it was refused"));
    }
    return Promise.resolve(holder.accept());
  };

  /** Answers SET_TICKET. */
  // deno-lint-ignore no-explicit-any -- the callers' types are Control's.
  readonly request = (request: any): Promise<any> => {
    const { deviceId, contents } = request as { deviceId: DeviceId; contents: readonly Content[] };
    const holder = this.all.find((one) => one.deviceId === deviceId)!;
    const held = contents.filter((content) => holder.named.has(contentKey(content)));
    return Promise.resolve({
      kind: "setTicketIs",
      ticket: held.length === 0 ? null : makeSet(held, {}, deviceId).ticket,
      covered: contents.reduce((bits, content, place) => held.includes(content) ? bits + 2 ** place : bits, 0),
    });
  };

  /** Waits until every connection has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.all.flatMap(({ ended }) => ended));
  }
}
