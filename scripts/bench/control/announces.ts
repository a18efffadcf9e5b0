/** announces: a load of plaintext UDP announces (BEP 15) at a BitTorrent tracker, as a peer to compare the coordinator with.  (I/O) */

import { hash } from "node:crypto";
import type { Endpoint } from "../../../lib/core/transport.ts";
import { listenUdp } from "../../../lib/net/udp.ts";
import { Latencies } from "./latencies.ts";
import type { LoadFigures } from "./fleet.ts";

const protocolId = 0x417_2710_1980n;
/** Peers of one torrent. */
const peersPerTorrent = 50;
const actions = { connect: 0, announce: 1 } as const;

export interface AnnounceOptions {
  readonly tracker: Endpoint;
  /** How many peers announce themselves, in turn. */
  readonly peers: number;
  readonly seconds: number;
  readonly inFlight: number;
  /** How many addresses each wants back. */
  readonly wanted: number;
}

/** Clients that have no wish of their own send −1: as many as the tracker gives. */
export const wantedByClients = 0xffff_ffff;

/** Announces for some seconds, with so many announces out all the time. A lost one is not repeated. */
export async function announceTo({ tracker, peers, seconds, inFlight, wanted }: AnnounceOptions): Promise<LoadFigures> {
  const socket = listenUdp({ ip: "127.0.0.1", port: 0 });
  const connect = new DataView(new ArrayBuffer(16));
  connect.setBigUint64(0, protocolId);
  socket.send(new Uint8Array(connect.buffer), tracker);
  const connected = await socket.receive();
  const connection = viewOf(connected!.bytes).getBigUint64(8);

  const latencies = new Latencies();
  const sentAtMs = new Float64Array(inFlight);
  const fromMs = performance.now();
  const untilMs = fromMs + seconds * 1000;
  let [sent, out] = [0, 0];
  const send = (slot: number) => {
    sentAtMs[slot] = performance.now();
    out++;
    socket.send(announce(connection, slot, sent++ % peers, wanted), tracker);
  };
  for (let slot = 0; slot < inFlight; slot++) send(slot);
  const giveUp = setTimeout(() => socket.close(), seconds * 1000 + 1_000);
  while (out > 0) {
    const datagram = await socket.receive();
    if (datagram === undefined) break;
    const answer = viewOf(datagram.bytes);
    if (answer.getUint32(0) !== actions.announce) throw new Error("The tracker refused an announce");
    const slot = answer.getUint32(4);
    latencies.add(performance.now() - sentAtMs[slot]!);
    out--;
    if (performance.now() < untilMs) send(slot);
  }
  clearTimeout(giveUp);
  socket.close();
  return {
    seconds: (performance.now() - fromMs) / 1000,
    sent,
    answered: latencies.count,
    refused: 0,
    lost: out,
    repeated: 0,
    ...latencies.figures(),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function announce(connection: bigint, transaction: number, peer: number, wanted: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(98);
  const view = viewOf(bytes);
  view.setBigUint64(0, connection);
  view.setUint32(8, actions.announce);
  view.setUint32(12, transaction);
  bytes.set(infoHash(Math.floor(peer / peersPerTorrent)), 16);
  view.setUint32(36, 0x2d53_4830);
  view.setUint32(52, peer);
  view.setUint32(92, wanted);
  view.setUint16(96, 1024 + peer % 60_000);
  return bytes;
}

const infoHashes: Uint8Array[] = [];

function infoHash(torrent: number): Uint8Array {
  return infoHashes[torrent] ??= hash("sha1", `torrent ${torrent}`, "buffer");
}
