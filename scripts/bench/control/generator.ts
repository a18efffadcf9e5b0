/**
 * generator: the process of the control plane's benchmark that plays all peers. It does what it is told on standard input, a JSON object a
 * line, one after the other, and answers each with a line.  (a program's entry)
 */

import type { Endpoint } from "../../../lib/core/transport.ts";
import { loadOpaque } from "../../../lib/session/opaque.ts";
import { encodeMessage } from "../../../lib/wire/message.ts";
import { followOrders } from "../orders.ts";
import { type AnnounceOptions, announceTo } from "./announces.ts";
import { Fleet, type LoadFigures, type LoadOptions } from "./fleet.ts";
import { fileEntry, searchFor, type SearchMix } from "./names.ts";

/** Files in one SHARE: as many as a datagram takes of these names. */
export const filesPerShare = 13;

/** What the generator can be told. */
export type Order =
  | { readonly do: "open"; readonly coordinator: Endpoint; readonly accounts: number; readonly files: number }
  | {
    readonly do: "logIn";
    /** How many there are to be, and how many logins may be made for that now. */
    readonly sessions: number;
    readonly loginsMax: number;
    readonly inFlight: number;
  }
  | {
    readonly do: "load";
    readonly request: "status" | "share" | SearchMix;
    readonly sessions: number;
    readonly seconds: number;
    readonly pace: LoadOptions["pace"];
    /** STATUS requests a second that other sessions make meanwhile. */
    readonly besidePerSecond?: number;
    /** Whether requests are repeated as peers do. */
    readonly repeats?: boolean;
  }
  | ({ readonly do: "announce" } & AnnounceOptions);

/** What came of a load, and of the STATUS requests beside it. */
export interface LoadReport extends LoadFigures {
  readonly beside?: LoadFigures;
}

const shareDigest = new Uint8Array(32);
/** Sessions that ask beside a load. */
const besideSessions = 64;

let fleet: Fleet | undefined;
let files = 0;
let shared = 0;

async function follow(order: Order): Promise<object> {
  switch (order.do) {
    case "open":
      fleet?.[Symbol.dispose]();
      fleet = new Fleet(order.coordinator, order.accounts);
      files = order.files;
      return {};
    case "logIn":
      return await fleet!.logIn(Math.min(order.sessions, fleet!.size + order.loginsMax), order.inFlight);
    case "load":
      return await runLoad(order);
    case "announce":
      return await announceTo(order);
  }
}

async function runLoad(
  { request, sessions, seconds, pace, besidePerSecond = 0, repeats = false }: Order & { do: "load" },
) {
  const beside = besidePerSecond === 0 ? undefined : fleet!.load({
    ...kinds.status,
    from: sessions - besideSessions,
    to: sessions,
    seconds,
    pace: { perSecond: besidePerSecond },
    repeats,
  });
  const to = beside === undefined ? sessions : sessions - besideSessions;
  const figures = await fleet!.load({ ...(kinds[request] ?? kinds.mix), from: 0, to, seconds, pace, repeats });
  return { ...figures, ...(beside === undefined ? {} : { beside: await beside }) };
}

const search = (mix: SearchMix): Pick<LoadOptions, "payload" | "answer"> => ({
  payload: (turn, transaction) => encodeMessage(transaction, searchFor(mix, turn, files)),
  answer: "files",
});

const kinds: Readonly<Record<(Order & { do: "load" })["request"], Pick<LoadOptions, "payload" | "answer">>> = {
  status: {
    payload: (_turn, transaction) => encodeMessage(transaction, { kind: "status", tcpPort: 0, shareDigest }),
    answer: "alive",
  },
  share: {
    payload(_turn, transaction) {
      const entries = Array.from({ length: filesPerShare }, () => fileEntry(files + shared++, "new "));
      return encodeMessage(transaction, { kind: "share", entries });
    },
    answer: "done",
  },
  mix: search("mix"),
  frequent: search("frequent"),
};

if (import.meta.main) {
  await loadOpaque();
  await followOrders(follow);
}
