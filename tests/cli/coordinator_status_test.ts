import { assert, assertEquals } from "@std/assert";
import { type CoordinatorFigures, formatStatus } from "../../lib/cli/coordinator_status.ts";

const figures: CoordinatorFigures = {
  ...{ address: "0.0.0.0", port: 5000, uptimeMs: 125_000, sessions: 12, pendingLogins: 1, online: 11, devices: 20 },
  ...{ accounts: 9, files: 1000, shares: 1200, offers: 3, reports: 2, logins: 40, datagramsIn: 4711 },
  ...{ datagramsOut: 4700, datagramsRefused: 5, storeWaiting: 6, storeWrites: 70, searches: 8, loopLagMs: 4 },
  ...{ rssBytes: 98_000_000, auditLost: 0 },
};

Deno.test("formatStatus() tells every figure", () => {
  assertEquals(formatStatus(figures), [
    "Coordinator on 0.0.0.0:5000, up for 2m 5s, 98 MB of memory",
    "12 sessions; 11 of 20 devices of 9 accounts are here",
    "1000 files, 1200 times shared; 3 offers of files on their way",
    "40 logins, 1 in progress; 2 reports of holders",
    "4711 datagrams in, 4700 out, 5 refused",
    "8 searches, 70 writes; 6 wait for the store",
    "4 ms late at the worst",
  ]);
});

Deno.test("formatStatus() tells rates where they are known, and what the audit log lost", () => {
  const rates = { logins: 1, datagramsIn: 300, datagramsOut: 299, datagramsRefused: 0, storeWrites: 7, searches: 2 };
  const text = formatStatus({ ...figures, rates, auditLost: 3 }).join("\n");
  for (const told of ["4711 (300/s) datagrams in", "40 (1/s) logins", "3 entries of the audit log are lost"]) {
    assert(text.includes(told), text);
  }
});

Deno.test("formatStatus() keeps to the columns of a narrow terminal, so that it can be drawn again in place", () => {
  for (const line of formatStatus(figures, 30)) assert(line.length <= 30, line);
});
