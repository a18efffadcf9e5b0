/** A device logs in with the password once, and by its key from then on; by the real programs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Program, Stage } from "../../scripts/programs.ts";
import { assertFailed, ofType } from "./ended.ts";

const accounts = { alice: "alice's password" };

/** A peer of a home that is told neither who it is nor a password. */
function keyed(stage: Stage, args: readonly string[], home: string): Program {
  const folders = ["--home", stage.path(`home-${home}`), "--dir", stage.path(`files-${home}`)];
  return stage.start("peer", [String(stage.port), ...folders, "--json", ...args]);
}

/** The same with its password, and a name of its own. */
function named(stage: Stage, args: readonly string[], home: string): Program {
  return stage.peer("alice", ["--device", home, ...args], { home });
}

Deno.test("a device that has logged in once needs no password and no account name any more", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  assertFailed(await keyed(stage, ["peers"], "vm").end(), 2, "usage");
  assertEquals((await named(stage, ["peers"], "vm").end()).code, 0);
  await Deno.remove(stage.path("alice.password"));
  await Deno.remove(stage.path("credentials"));
  const again = await keyed(stage, ["devices"], "vm").end();
  assertEquals(again.code, 0, again.stderr);
  const [device] = ofType(again, "device");
  assertEquals([device?.["device"], device?.["isThis"], device?.["online"]], ["vm", true, true]);
  assert((device?.["enrolledAtMs"] as number) > 0);
  assertEquals(again.stderr, "");
  // A key is its home's: another device has to show the password.
  assertFailed(await keyed(stage, ["peers"], "other").end(), 2, "usage");
});

Deno.test("a revoked device is told, at once and at its next start, and the password lets it in again", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const lost = named(stage, ["serve"], "lost");
  await lost.ready();
  const owner = async (...args: string[]) => await stage.peer("alice", args, { home: "owner" }).end();
  assertFailed(await owner("devices", "revoke", "nothing"), 3, "notFound");
  const revoked = await owner("devices", "revoke", "lost");
  assertEquals(ofType(revoked, "revoked"), [{ type: "revoked", v: 1, device: "lost" }]);
  assertFailed(await lost.end(), 4, "denied");
  const refused = await keyed(stage, ["peers"], "lost").end();
  assertFailed(refused, 4, "denied");
  assertStringIncludes(ofType(refused, "error")[0]!["message"] as string, "revoked");
  assertStringIncludes(ofType(refused, "error")[0]!["hint"] as string, "--password-file");
  const listed = ofType(await owner("devices"), "device").find((line) => line["device"] === "lost");
  assertEquals([listed?.["online"], listed?.["enrolledAtMs"]], [false, null]);

  const back = await named(stage, ["peers"], "lost").end();
  assertEquals(back.code, 0, back.stderr);
  assertStringIncludes(back.stderr, "revoked", "why the key was not enough");
  assertEquals((await keyed(stage, ["peers"], "lost").end()).code, 0);
});

Deno.test("the operator shuts a device out while it serves", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const lost = named(stage, ["serve"], "lost");
  await lost.ready();
  const operator = (...words: string[]) =>
    stage.start("coordinator", ["device", ...words, "--data", stage.path("data"), "--json"]).end();
  const [listed] = ofType(await operator("list", "alice"), "device");
  assertEquals([listed?.["device"], listed?.["online"]], ["lost", true]);
  const revoked = await operator("revoke", "alice", "lost");
  assertEquals(revoked.code, 0, revoked.stderr);
  assertFailed(await lost.end(), 4, "denied");
  assertFailed(await keyed(stage, ["peers"], "lost").end(), 4, "denied");
});

Deno.test("logout forgets the key on both sides", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  assertEquals((await named(stage, ["peers"], "vm").end()).code, 0);
  const out = await keyed(stage, ["logout"], "vm").end();
  assertEquals([out.code, ofType(out, "loggedOut")], [0, [
    { type: "loggedOut", v: 1, account: "alice", device: "vm" },
  ]]);
  assertFailed(await keyed(stage, ["peers"], "vm").end(), 2, "usage");
  const devices = ofType(await stage.peer("alice", ["devices"], { home: "other" }).end(), "device");
  assertEquals(devices.find((line) => line["device"] === "vm")?.["enrolledAtMs"], null);
});

Deno.test("a new password revokes the account's devices; the one that is told it is enrolled anew", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  assertEquals((await stage.peer("alice", ["peers"], { home: "vm" }).end()).code, 0);
  await Deno.writeTextFile(stage.path("alice.password"), "another", { mode: 0o600 });
  const data = ["--data", stage.path("data")];
  const words = ["user", "passwd", "alice", ...data, "--password-file", stage.path("alice.password")];
  const set = await stage.start("coordinator", words).end();
  assertEquals(set.code, 0, set.stderr);
  assertFailed(await keyed(stage, ["peers"], "vm").end(), 4, "denied");
  assertEquals((await stage.peer("alice", ["peers"], { home: "vm" }).end()).code, 0);
  assertEquals((await keyed(stage, ["peers"], "vm").end()).code, 0);
});

Deno.test("a coordinator with another key is refused loudly, with and without the password", async () => {
  await using stage = await Stage.open(accounts);
  const coordinator = await stage.coordinator();
  assertEquals((await stage.peer("alice", ["peers"], { home: "vm" }).end()).code, 0);
  coordinator.signal("SIGTERM");
  await coordinator.end();
  // Somebody sets up a coordinator of his own at that address, with an account of that name and password.
  await Deno.remove(stage.path("data"), { recursive: true });
  await stage.coordinator();
  const refused = await keyed(stage, ["peers"], "vm").end();
  assertFailed(refused, 4, "denied");
  assertStringIncludes(ofType(refused, "error")[0]!["message"] as string, "another key");
  const withPassword = await stage.peer("alice", ["peers"], { home: "vm" }).end();
  assertFailed(withPassword, 4, "untrusted");
  assertStringIncludes(ofType(withPassword, "error")[0]!["hint"] as string, "known_coordinators.json");
  await Deno.remove(stage.path("home-vm", "state", "known_coordinators.json"));
  assertEquals((await stage.peer("alice", ["peers"], { home: "vm" }).end()).code, 0);
});
