import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatMetrics, type MetricsReading } from "../../lib/coordinator/metrics.ts";
import { Outbox } from "../../lib/coordinator/role/outbox.ts";
import { Shedding } from "../../lib/coordinator/role/shedding.ts";
import { RequestTallies, ResultTally, TimeTally } from "../../lib/coordinator/role/tallies.ts";
import { errorMessage } from "../../lib/wire/message.ts";

function readingOf(changes: Partial<MetricsReading> = {}): MetricsReading {
  const times = () => TimeTally.ofRequests();
  return {
    role: {
      ...{ sessions: 12, pendingLogins: 1, datagramsIn: 4711, datagramsRefused: 3, datagramsShed: 2 },
      ...{ logins: 5, offers: 4, reports: 6 },
    },
    tallies: {
      requests: new RequestTallies(),
      logins: new ResultTally(),
      shedding: new Shedding(new Outbox().underWay),
      store: {
        ...{ writesWaiting: 7, searchesWaiting: 8, readsUnderWay: 9, refused: 10, writes: 11 },
        ...{ groupTimes: times(), searchTimes: times() },
      },
      datagramsOut: 4700,
      datagramsDropped: 13,
      handlingTimes: TimeTally.ofDatagrams(),
    },
    store: { accounts: 20, devices: 21, online: 22, files: 23, shares: 24 },
    ...{ socketErrors: 14, auditWritten: 15, auditLost: 16, logLinesLeftOut: 17, loopLagMs: 18, rssBytes: 1e8 },
    ...{ cpuMs: 2500, startedAtMs: 1_700_000_000_000, isDraining: false },
    ...changes,
  };
}

/** The value of each line without comment. */
async function valuesOf(reading: MetricsReading): Promise<Map<string, number>> {
  const { text } = await formatMetrics(reading);
  return new Map(
    text.split("\n").filter((line) => /^[a-z]/.test(line)).map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

Deno.test("every figure is told, in base units, with its help and type", async () => {
  const reading = readingOf();
  const values = await valuesOf(reading);
  // Each number above is another one: what is not found is not told.
  const told = new Set(values.values());
  const { role, store, tallies } = reading;
  const figures = [role, store!, tallies.store, tallies, reading].flatMap((part) =>
    Object.entries(part).filter(([name, value]) => typeof value === "number" && !/Ms$|^logins$/.test(name))
  );
  assert(figures.length > 20);
  assertEquals(figures.filter(([, value]) => !told.has(value)), []);
  assertEquals(values.get("shoal_event_loop_lag_seconds"), 0.018);
  assertEquals(values.get("process_cpu_seconds_total"), 2.5);
  assertEquals(values.get("process_start_time_seconds"), 1_700_000_000);
  const { text, type } = await formatMetrics(reading);
  assertMatch(type, /^text\/plain; version=0\.0\.4/);
  for (const name of new Set([...values.keys()].map((key) => key.replace(/\{.*|_(bucket|sum|count)$/g, "")))) {
    if (/_(bucket|sum|count)$/.test(name)) continue;
    assertMatch(text, new RegExp(`^# HELP ${name} \\S`, "m"));
    assertMatch(text, new RegExp(`^# TYPE ${name} (gauge|counter|histogram)$`, "m"));
  }
});

Deno.test("the load is told, and what was given up because of it", async () => {
  const underWay = { opaque: 64, writes: 0, searches: 256, reads: 0, probes: 0 };
  const shedding = new Shedding(underWay);
  for (let i = 0; i < 3; i++) shedding.admits("registration", 0);
  underWay.searches = 0;
  const values = await valuesOf(readingOf({ tallies: { ...readingOf().tallies, shedding } }));
  assertEquals(values.get("shoal_load_ratio"), 0.2);
  const shed = ["hello", "registration", "write"].map((work) => values.get(`shoal_shed_total{work="${work}"}`));
  assertEquals(shed, [0, 3, 0]);
});

Deno.test("results and kinds are labels, and times are cumulative buckets", async () => {
  const reading = readingOf();
  const { logins, requests } = reading.tallies;
  logins.note(0);
  logins.note(0);
  logins.noteRefusal("tooManyTries");
  for (const tookMs of [0, 3, 5, 40, 60_000]) {
    requests.nowMs = 100_000 + tookMs;
    requests.answered("search", 100_000, errorMessage("busy", ""));
  }
  requests.answered("status", requests.nowMs, { kind: "done" });
  const values = await valuesOf(reading);
  assertEquals(values.get('shoal_logins_total{result="ok"}'), 2);
  assertEquals(values.get('shoal_logins_total{result="tooManyTries"}'), 1);
  assertEquals(values.get('shoal_requests_total{kind="search",result="busy"}'), 5);
  assertEquals(values.get('shoal_requests_total{kind="status",result="ok"}'), 1);
  const bucket = (le: string) => values.get(`shoal_request_seconds_bucket{kind="search",le="${le}"}`);
  assertEquals(["0.001", "0.005", "0.05", "5", "+Inf"].map(bucket), [1, 3, 4, 4, 5]);
  assertEquals(values.get('shoal_request_seconds_count{kind="search"}'), 5);
  assertEquals(values.get('shoal_request_seconds_sum{kind="search"}'), 60.048);
});

Deno.test("a store that does not answer shows as down, and the rest is told all the same", async () => {
  const values = await valuesOf(readingOf({ store: undefined }));
  assertEquals([values.get("shoal_store_up"), values.get("shoal_files")], [0, undefined]);
  assertEquals(values.get("shoal_sessions"), 12);
});
