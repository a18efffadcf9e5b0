import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { ShoalError, StoreError } from "../../lib/core/errors.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { KnownAccounts } from "../../lib/peer/known_accounts.ts";
import { KnownCoordinators } from "../../lib/peer/known_coordinators.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { signDevice } from "../../lib/session/proofs.ts";
import { temporaryFolder } from "../coordinator/temporary_folder.ts";

const device = signingKeyFrom(new Uint8Array(32).fill(1));
const deviceId = deviceIdFrom(device.publicKey);
const accountKey = signingKeyFrom(new Uint8Array(32).fill(2));
const coordinatorKey = new Uint8Array(32).fill(4);
const here = "127.0.0.1:5000";

function enrolmentOf(account: string, loginKey = 3) {
  return {
    account,
    loginKey: new Uint8Array(32).fill(loginKey),
    coordinatorKey,
    accountKey: accountKey.publicKey,
    deviceSignature: signDevice(accountKey, account, deviceId),
  };
}

Deno.test("what a login left is there after a restart, by address and any spelling of the account, in a file of 0600", () => {
  using folder = temporaryFolder();
  const ada = enrolmentOf("Ada");
  KnownCoordinators.open(folder.path).remember(here, ada);
  assertEquals(Deno.statSync(join(folder.path, "known_coordinators.json")).mode! & 0o777, 0o600);
  const known = KnownCoordinators.open(folder.path);
  assertEquals(known.enrolment(here, "ADA", device.publicKey), ada);
  assertEquals(known.accountsAt(here), ["Ada"]);
  assertEquals(known.loginKey(here, "ada"), ada.loginKey);
  assertEquals(known.enrolment("127.0.0.1:5001", "ada", device.publicKey), undefined);
  assertEquals(known.enrolment(here, "bob", device.publicKey), undefined);
  assertEquals(known.accountsAt("127.0.0.1:5001"), []);
});

Deno.test("an account may be called anything: what is known of it is there after a restart", () => {
  using folder = temporaryFolder();
  for (const account of ["constructor", "__proto__", "prototype"]) {
    KnownCoordinators.open(folder.path).remember(here, enrolmentOf(account));
    const known = KnownCoordinators.open(folder.path);
    assertEquals(known.enrolment(here, account, device.publicKey), enrolmentOf(account));
    KnownAccounts.open(folder.path).remember(coordinatorKey, account, accountKey.publicKey);
    assertEquals(KnownAccounts.open(folder.path).check(coordinatorKey, account, device.publicKey), "changed");
  }
});

Deno.test("a newer login takes an older one's place; what is forgotten is gone", () => {
  using folder = temporaryFolder();
  const known = KnownCoordinators.open(folder.path);
  known.remember(here, enrolmentOf("ada", 3));
  known.remember(here, enrolmentOf("bob", 3));
  known.remember(here, enrolmentOf("ada", 9));
  known.forget(here, "Bob");
  known.forget(here, "nobody");
  const again = KnownCoordinators.open(folder.path);
  assertEquals(again.accountsAt(here), ["ada"]);
  assertEquals(again.loginKey(here, "ada"), new Uint8Array(32).fill(9));
  assertEquals(again.loginKey(here, "bob"), undefined);
});

Deno.test("a device with another key is not enrolled, but still remembers the coordinator", () => {
  using folder = temporaryFolder();
  const known = KnownCoordinators.open(folder.path);
  known.remember(here, enrolmentOf("ada"));
  const other = signingKeyFrom(new Uint8Array(32).fill(8)).publicKey;
  assertEquals(known.enrolment(here, "ada", other), undefined);
  assertEquals(known.loginKey(here, "ada"), new Uint8Array(32).fill(3));
});

Deno.test("a file that is damaged, a newer program's or readable by others is refused and left as it is", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "known_coordinators.json");
  const refusals = [
    ["{", "damaged"],
    ['{"schema":1,"coordinators":{"a":{"b":{"account":"b"}}}}', "damaged"],
    ['{"schema":2}', "schema 2"],
  ] as const;
  for (const [text, reason] of refusals) {
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
    const error = assertThrows(() => KnownCoordinators.open(folder.path), ShoalError);
    assertStringIncludes(error.message, reason);
    assertEquals(Deno.readTextFileSync(path), text);
  }
  Deno.chmodSync(path, 0o644);
  assertThrows(() => KnownCoordinators.open(folder.path), StoreError, "other users can read it");
});

Deno.test("the coordinators of a network are kept under the address that was named first, and each of them means it", () => {
  using folder = temporaryFolder();
  const known = KnownCoordinators.open(folder.path);
  const at = (port: number) => ({ ip: "127.0.0.1", port });
  known.remember(here, enrolmentOf("ada"));
  known.rememberOthers(here, [at(5001), at(5000), at(5002)]);
  known.rememberOthers(here, []);
  const again = KnownCoordinators.open(folder.path);
  assertEquals(again.coordinatorsOf(here), [at(5000), at(5001), at(5002)], "who tells of none does not know");
  again.rememberOthers(here, [at(5003), at(5000)]);
  assertEquals(
    again.coordinatorsOf(here).map(({ port }) => port),
    [5000, 5003, 5001, 5002],
    "those that are away come back",
  );
  assertEquals(again.networkOf("127.0.0.1:5002"), here);
  assertEquals(again.networkOf("127.0.0.1:9999"), "127.0.0.1:9999");
  again.forget(here, "ada");
  assertEquals(KnownCoordinators.open(folder.path).coordinatorsOf(here), [at(5000)]);
});
