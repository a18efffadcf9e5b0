/**
 * swarm: what BitTorrent clients need to find each other: a .torrent file of one file in pieces of 1 MiB, and a tracker that answers
 * with the address of the one that has it. The torrent is private, so no client asks anybody else.
 * @see BEP 3, BEP 23, BEP 27  (I/O)
 */

import { basename } from "@std/path";
import { concatBytes, utf8 } from "../../../lib/core/bytes.ts";
import { mib } from "../../../lib/core/limits.ts";

/** A torrent and its tracker. */
export class Swarm implements AsyncDisposable {
  readonly torrentPath: string;
  readonly #tracker: Deno.HttpServer;

  private constructor(torrentPath: string, tracker: Deno.HttpServer) {
    this.torrentPath = torrentPath;
    this.#tracker = tracker;
  }

  /** Hashes a file and writes its torrent. @param seedPort Where the client that has the file listens, on 127.0.0.1. */
  static async open(path: string, seedPort: number, torrentPath: string): Promise<Swarm> {
    const seed = Uint8Array.of(127, 0, 0, 1, seedPort >> 8, seedPort & 255);
    const answer = (peers: Uint8Array) =>
      new Response(bencode({ interval: 1800, peers }), { headers: { connection: "close" } });
    const tracker = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      // Who misses nothing is the one that has it: a client that meets itself shuts that address out.
      ({ url }) => answer(new URL(url).searchParams.get("left") === "0" ? new Uint8Array() : seed),
    );
    const info = {
      length: (await Deno.stat(path)).size,
      name: basename(path),
      "piece length": mib,
      pieces: await hashPieces(path),
      private: 1,
    };
    await Deno.writeFile(torrentPath, bencode({ announce: `http://127.0.0.1:${tracker.addr.port}/announce`, info }));
    return new Swarm(torrentPath, tracker);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tracker.shutdown();
  }
}

async function hashPieces(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const [piece, hashes] = [new Uint8Array(mib), [] as Uint8Array[]];
  for (;;) {
    let filled = 0;
    while (filled < mib) {
      const count = await file.read(piece.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    if (filled > 0) hashes.push(new Uint8Array(await crypto.subtle.digest("SHA-1", piece.subarray(0, filled))));
    if (filled < mib) return concatBytes(...hashes);
  }
}

type Bencoded = number | string | Uint8Array | { readonly [key: string]: Bencoded };

/** Encodes a value; a dictionary's keys are in order. */
function bencode(value: Bencoded): Uint8Array<ArrayBuffer> {
  if (typeof value === "number") return utf8(`i${value}e`);
  if (typeof value === "string") return bencode(utf8(value));
  if (value instanceof Uint8Array) return concatBytes(utf8(`${value.length}:`), value);
  const entries = Object.keys(value).toSorted().flatMap((key) => [bencode(key), bencode(value[key]!)]);
  return concatBytes(utf8("d"), ...entries, utf8("e"));
}
