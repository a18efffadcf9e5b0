/** coordinator_status: how a coordinator is, for people.  (pure) */

import { formatEndpoint } from "../core/transport.ts";
import { formatDuration, formatSize } from "./amounts.ts";
import { cutEnd } from "./width.ts";

/** What is shown of `coordinator status`. */
export interface CoordinatorFigures {
  readonly address: string;
  readonly port: number;
  readonly uptimeMs: number;
  readonly sessions: number;
  readonly pendingLogins: number;
  readonly online: number;
  readonly devices: number;
  readonly accounts: number;
  readonly files: number;
  readonly shares: number;
  readonly offers: number;
  readonly reports: number;
  readonly logins: number;
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly datagramsRefused: number;
  readonly storeWaiting: number;
  readonly storeWrites: number;
  readonly searches: number;
  readonly loopLagMs: number;
  readonly rssBytes: number;
  readonly auditLost: number;
  /** How many a second, where that is known. */
  readonly rates?: {
    readonly logins: number;
    readonly datagramsIn: number;
    readonly datagramsOut: number;
    readonly datagramsRefused: number;
    readonly storeWrites: number;
    readonly searches: number;
  };
}

/** The lines, one a subject, each cut to these columns where there are any. */
export function formatStatus(told: CoordinatorFigures, columns = Infinity): readonly string[] {
  return linesOf(told).map((line) => cutEnd(line, columns));
}

function linesOf(told: CoordinatorFigures): readonly string[] {
  const { rates } = told;
  const count = (name: keyof NonNullable<typeof rates>) =>
    rates === undefined ? String(told[name]) : `${told[name]} (${rates[name]}/s)`;
  const where = formatEndpoint({ ip: told.address, port: told.port });
  const lost = told.auditLost === 0 ? "" : `; ${told.auditLost} entries of the audit log are lost`;
  return [
    `Coordinator on ${where}, up for ${formatDuration(told.uptimeMs)}, ${formatSize(told.rssBytes)} of memory`,
    `${told.sessions} sessions; ${told.online} of ${told.devices} devices of ${told.accounts} accounts are here`,
    `${told.files} files, ${told.shares} times shared; ${told.offers} offers of files on their way`,
    `${count("logins")} logins, ${told.pendingLogins} in progress; ${told.reports} reports of holders`,
    `${count("datagramsIn")} datagrams in, ${count("datagramsOut")} out, ${count("datagramsRefused")} refused`,
    `${count("searches")} searches, ${count("storeWrites")} writes; ${told.storeWaiting} wait for the store`,
    `${told.loopLagMs} ms late at the worst${lost}`,
  ];
}
