import { assertEquals } from "@std/assert";
import type { Content, DeviceId } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import { Reports } from "../../../lib/coordinator/role/reports.ts";
import { contentIdOf } from "./lab.ts";

const content: Content = { id: contentIdOf(1), bytes: 9 };
const other: Content = { ...content, bytes: 10 };
const [liar, second] = ["liar", "second"] as unknown as [DeviceId, DeviceId];

function told(reports: Reports, of: Content, nowMs: number): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries([...reports.of(of, nowMs)].map(([holder, accounts]) => [holder, [...accounts]]));
}

Deno.test("Reports counts an account once for a holder and a content, until the report is forgotten", () => {
  const reports = new Reports();
  assertEquals(reports.note("ada", liar, content, 0), true);
  assertEquals(reports.note("ada", liar, content, 5), false);
  assertEquals(reports.note("bob", liar, content, 10), true);
  assertEquals(reports.note("ada", second, content, 10), true);
  assertEquals(reports.note("ada", liar, other, 10), true);
  assertEquals(told(reports, content, 20), { liar: ["ada", "bob"], second: ["ada"] });
  assertEquals(told(reports, other, 20), { liar: ["ada"] });
  assertEquals(
    told(reports, content, limits.reportMs),
    { liar: ["bob"], second: ["ada"] },
    "the first, by its own time",
  );
  assertEquals(reports.note("ada", liar, content, limits.reportMs), true, "and again");
  assertEquals(told(reports, content, limits.reportMs + 10), { liar: ["ada"] });
  assertEquals(reports.size, 1);
});

Deno.test("Reports is bounded, and an account over its bound loses reports of its own", () => {
  const reports = new Reports({ reportsMax: 4, reportsPerAccountMax: 2 });
  reports.note("bob", liar, content, 0);
  for (const holder of ["a", "b", "c"]) reports.note("ada", holder as DeviceId, content, 1);
  assertEquals(told(reports, content, 1), { liar: ["bob"], b: ["ada"], c: ["ada"] });
  reports.note("eve", liar, content, 2);
  reports.note("eve", second, content, 2);
  assertEquals(
    told(reports, content, 2),
    { liar: ["eve"], b: ["ada"], c: ["ada"], second: ["eve"] },
    "the oldest of all",
  );
  reports.forgetAccount("eve");
  reports.forgetAccount("nobody");
  assertEquals(told(reports, content, 2), { b: ["ada"], c: ["ada"] });
  assertEquals(reports.size, 2);
});
