import { assertEquals } from "@std/assert";
import type { DeviceId } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import type { Session } from "../../../lib/coordinator/role/session.ts";
import { SessionTable } from "../../../lib/coordinator/role/session_table.ts";

/** What the table looks at. */
function session(number: number, foldedAccount: string): Session {
  return { id: BigInt(number), device: number, deviceId: `${number}` as DeviceId, foldedAccount } as Session;
}

Deno.test("SessionTable finds a session by id, device and account, and not after it was removed", () => {
  const table = new SessionTable();
  const [first, second] = [session(1, "ada"), session(2, "ada")];
  for (const one of [first, second]) table.add(one);
  assertEquals([table.find(1n), table.findDevice(2), [...table.ofAccount("ada")]], [first, second, [first, second]]);
  table.remove(first);
  assertEquals([table.find(1n), table.findDevice(1), [...table.ofAccount("ada")], table.size], [
    undefined,
    undefined,
    [second],
    1,
  ]);
  table.remove(second);
  assertEquals([...table.ofAccount("ada")], []);
});

Deno.test("SessionTable keeps a device's newer session when the older one is removed after it", () => {
  const table = new SessionTable();
  const older = session(1, "ada");
  const newer = { ...session(2, "ada"), device: 1 } as Session;
  table.add(older);
  table.add(newer);
  table.remove(older);
  assertEquals(table.findDevice(1), newer);
});

Deno.test("SessionTable at its limit gives the place of who has been away longest, and of nobody who is online", () => {
  const table = new SessionTable();
  const all = Array.from({ length: limits.sessionsMax }, (_, i) => session(i, `account ${i >> 4}`));
  for (const one of all) table.add(one);
  const room = () => table.roomFor("new", "new" as DeviceId);
  assertEquals(room(), "busy");
  assertEquals(table.roomFor("account 0", all[3]!.deviceId), all[3], "its own");
  for (const number of [70, 5, 900]) table.noteAway(all[number]!, true);
  assertEquals(room(), all[70]);
  table.noteAway(all[70]!, false);
  assertEquals(room(), all[5]);
  table.remove(all[5]!);
  assertEquals(room(), undefined);
  table.add(session(5, "other"));
  assertEquals(room(), all[900]);
});
