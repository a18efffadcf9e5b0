/**
 * metrics: a coordinator's figures as Prometheus reads them. Laws: 1) made when somebody asks, of plain counts that are there anyway;
 * 2) labels come from tables of ours: no account, device, address or file is in one.  Spec: docs/operations.md "Metrics".  (pure)
 */

import { Counter, Gauge, type Histogram, Registry } from "prom-client";
import { protocolVersion, version } from "../core/version.ts";
import type { DriverTallies } from "./driver.ts";
import type { TimeTally } from "./role/tallies.ts";
import type { RoleFigures } from "./role/types.ts";
import type { StoreFigures } from "./store/store.ts";

/** What is told; times in milliseconds. */
export interface MetricsReading {
  readonly role: RoleFigures;
  readonly tallies: DriverTallies;
  /** Undefined if the store did not answer. */
  readonly store: StoreFigures | undefined;
  readonly socketErrors: number;
  readonly auditWritten: number;
  readonly auditLost: number;
  readonly logLinesLeftOut: number;
  readonly loopLagMs: number;
  readonly rssBytes: number;
  readonly cpuMs: number;
  readonly startedAtMs: number;
  readonly isDraining: boolean;
}

type Labels = Readonly<Record<string, string>>;
type Values = number | Iterable<readonly [Labels, number]>;

/** The metrics' text and its content type. */
export async function formatMetrics(
  reading: MetricsReading,
): Promise<{ readonly type: string; readonly text: string }> {
  const registry = new Registry();
  const registers = [registry];
  for (const [name, { help, labels = [], read }] of Object.entries(gauges)) {
    const values = read(reading);
    if (values !== undefined) set(new Gauge({ name, help, labelNames: [...labels], registers }), values, "set");
  }
  for (const [name, { help, labels = [], read }] of Object.entries(counters)) {
    set(new Counter({ name, help, labelNames: [...labels], registers }), read(reading), "inc");
  }
  for (const [name, { help, read }] of Object.entries(histograms)) register(registry, name, help, read(reading));
  return { type: registry.contentType, text: await registry.metrics() };
}

interface Row<T> {
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: (reading: MetricsReading) => T;
}

const gauges: Readonly<Record<string, Row<Values | undefined>>> = {
  shoal_build_info: {
    help: "1; which release this is",
    labels: ["version", "protocol"],
    read: () => [[{ version, protocol: String(protocolVersion) }, 1]],
  },
  shoal_draining: { help: "1 while it stops", read: ({ isDraining }) => Number(isDraining) },
  shoal_load_ratio: {
    help: "0 at ease, 1 where everything is full: what is given up goes by it",
    read: ({ tallies: { shedding, requests } }) => shedding.load(requests.nowMs),
  },
  shoal_sessions: { help: "Devices that are logged in, present or away", read: ({ role }) => role.sessions },
  shoal_logins_pending: { help: "Logins in progress", read: ({ role }) => role.pendingLogins },
  shoal_offers: { help: "Files on their way that a device serves already", read: ({ role }) => role.offers },
  shoal_reports: { help: "Reports of holders that count", read: ({ role }) => role.reports },
  shoal_accounts: { help: "Accounts", read: ({ store }) => store?.accounts },
  shoal_devices: { help: "Devices of all accounts", read: ({ store }) => store?.devices },
  shoal_devices_online: { help: "Devices that are present", read: ({ store }) => store?.online },
  shoal_files: { help: "Files, each counted once", read: ({ store }) => store?.files },
  shoal_shares: { help: "Shares of files by devices", read: ({ store }) => store?.shares },
  shoal_store_up: { help: "1 if the store answers", read: ({ store }) => Number(store !== undefined) },
  shoal_store_waiting: {
    help: "What waits for the store, or is under way there",
    labels: ["queue"],
    read: ({ tallies: { store } }) => [
      [{ queue: "writes" }, store.writesWaiting],
      [{ queue: "searches" }, store.searchesWaiting],
      [{ queue: "reads" }, store.readsUnderWay],
    ],
  },
  shoal_event_loop_lag_seconds: {
    help: "The longest that a timer was late in the last 15 to 30 s",
    read: ({ loopLagMs }) => loopLagMs / 1000,
  },
  process_resident_memory_bytes: { help: "Memory in RAM", read: ({ rssBytes }) => rssBytes },
  process_start_time_seconds: { help: "When it started, since 1970", read: ({ startedAtMs }) => startedAtMs / 1000 },
};

const counters: Readonly<Record<string, Row<Values>>> = {
  shoal_logins_total: {
    help: "Logins by how they ended; timeout: the third message never came, as with a wrong password",
    labels: ["result"],
    read: ({ tallies }) => Array.from(tallies.logins.entries(), ([result, count]) => [{ result }, count] as const),
  },
  shoal_requests_total: {
    help: "Requests of peers by how they were answered",
    labels: ["kind", "result"],
    read: ({ tallies }) =>
      Array.from(tallies.requests.entries()).flatMap(([kind, { results }]) =>
        Array.from(results.entries(), ([result, count]) => [{ kind, result }, count] as const)
      ),
  },
  shoal_datagrams_received_total: { help: "Datagrams that came", read: ({ role }) => role.datagramsIn },
  shoal_datagrams_refused_total: {
    help: "Datagrams that were junk, forged or of no session",
    read: ({ role }) => role.datagramsRefused,
  },
  shoal_datagrams_shed_total: {
    help: "Answers that strangers did not get, for there were too many",
    read: ({ role }) => role.datagramsShed,
  },
  shoal_shed_total: {
    help:
      "What was answered busy, or strangers not at all, for there was too much to do; in the order in which it is given up",
    labels: ["work"],
    read: ({ tallies }) => Object.entries(tallies.shedding.shed).map(([work, count]) => [{ work }, count]),
  },
  shoal_datagrams_sent_total: { help: "Datagrams handed to the system", read: ({ tallies }) => tallies.datagramsOut },
  shoal_datagrams_dropped_total: {
    help: "Datagrams not sent, for the system had too many",
    read: ({ tallies }) => tallies.datagramsDropped,
  },
  shoal_socket_errors_total: {
    help: "Receives that failed and datagrams that could not be sent",
    read: ({ socketErrors }) => socketErrors,
  },
  shoal_store_writes_total: { help: "Writes that were committed", read: ({ tallies }) => tallies.store.writes },
  shoal_store_refused_total: {
    help: "What was answered busy, for a queue of the store was full",
    read: ({ tallies }) => tallies.store.refused,
  },
  shoal_audit_entries_total: {
    help: "Entries of the audit log",
    labels: ["result"],
    read: ({ auditWritten, auditLost }) => [[{ result: "written" }, auditWritten], [{ result: "lost" }, auditLost]],
  },
  shoal_log_lines_left_out_total: {
    help: "Log lines over the bound of each second",
    read: ({ logLinesLeftOut }) => logLinesLeftOut,
  },
  process_cpu_seconds_total: { help: "Time of all its threads", read: ({ cpuMs }) => cpuMs / 1000 },
};

const histograms: Readonly<Record<string, Row<readonly (readonly [Labels, TimeTally])[]>>> = {
  shoal_request_seconds: {
    help: "From a peer's request to its answer",
    read: ({ tallies }) => Array.from(tallies.requests.entries(), ([kind, { times }]) => [{ kind }, times]),
  },
  shoal_datagram_handling_seconds: {
    help: "What one datagram keeps the coordinator from the next; one of 64 is timed",
    read: ({ tallies }) => [[{}, tallies.handlingTimes]],
  },
  shoal_store_group_seconds: {
    help: "From handing a group of writes to the store to its being durable",
    read: ({ tallies }) => [[{}, tallies.store.groupTimes]],
  },
  shoal_search_seconds: {
    help: "Time of one search in the store",
    read: ({ tallies }) => [[{}, tallies.store.searchTimes]],
  },
};

function set<K extends "set" | "inc">(
  metric: { readonly [k in K]: (labels: Labels, value: number) => void },
  values: Values,
  how: K,
): void {
  if (typeof values === "number") metric[how]({}, values);
  else for (const [labels, value] of values) metric[how](labels, value);
}

/** Registers counts that were made elsewhere: the library's own histogram takes one observation at a time. */
function register(
  registry: Registry,
  name: string,
  help: string,
  tallies: readonly (readonly [Labels, TimeTally])[],
): void {
  const values = tallies.flatMap(([labels, { bucketsMs, counts, sumMs }]) => {
    let count = 0;
    const buckets = counts.map((own, i) => {
      count += own;
      const le = i < bucketsMs.length ? bucketsMs[i]! / 1000 : "+Inf";
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sumMs / 1000 },
      { metricName: `${name}_count`, labels, value: count },
    ];
  });
  const metric = {
    name,
    help,
    type: "histogram",
    aggregator: "sum",
    get: () => Promise.resolve({ name, help, type: "histogram", values }),
  };
  registry.registerMetric(metric as unknown as Histogram);
}
