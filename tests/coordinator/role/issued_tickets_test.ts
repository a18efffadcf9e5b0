import { assertEquals } from "@std/assert";
import type { DeviceId } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import { IssuedTickets } from "../../../lib/coordinator/role/issued_tickets.ts";
import type { Session } from "../../../lib/coordinator/role/session.ts";

function fetcher(foldedAccount: string, device: number): Session {
  return { foldedAccount, device, deviceId: `${device}` as DeviceId } as Session;
}

Deno.test("IssuedTickets tells an account's devices by holder, once, without the expired", () => {
  const issued = new IssuedTickets();
  issued.note(fetcher("ada", 1), 100, 50, 0);
  issued.note(fetcher("ada", 1), 101, 60, 0);
  issued.note(fetcher("ada", 2), 101, 60, 0);
  issued.note(fetcher("bob", 3), 101, 60, 0);
  assertEquals([...issued.takeAccount("ada", 50)], [[101, ["1", "2"]]]);
  assertEquals([...issued.takeAccount("ada", 50)], []);
  assertEquals([...issued.takeAccount("bob", 50)], [[101, ["3"]]]);
});

Deno.test("IssuedTickets tells the devices of several accounts together", () => {
  const issued = new IssuedTickets();
  for (const [at, account] of ["ada", "bob", "eve"].entries()) issued.note(fetcher(account, at + 1), 100, 50, 0);
  assertEquals([...issued.takeAccounts(new Set(["ada", "eve", "nobody"]), 0)], [[100, ["1", "3"]]]);
  assertEquals(issued.devicesAt(100, 0), [2]);
});

Deno.test("IssuedTickets keeps a pair until its last ticket ends, and is bounded", () => {
  const issued = new IssuedTickets();
  issued.note(fetcher("ada", 1), 7, 400, 0);
  issued.note(fetcher("zoe", 9), 7, 450, 0);
  issued.note(fetcher("ada", 1), 7, 500, 5);
  // One too many: the oldest is the pair that got no other ticket since.
  for (let holder = 8; holder < 8 + limits.ticketsRememberedMax - 1; holder++) {
    issued.note(fetcher("bob", 2), holder, 600, 20);
  }
  assertEquals(issued.takeAccount("zoe", 20).size, 0);
  assertEquals(issued.takeAccount("ada", 20).size, 1);
  for (let holder = 0; holder < 10; holder++) issued.note(fetcher("eve", 3), holder, 700, 20);
  assertEquals(issued.takeAccount("bob", 20).size, limits.ticketsRememberedMax - 10);
});
