import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  acceptLogin,
  answerLogin,
  createServerSetup,
  finishLogin,
  foldAccount,
  loadOpaque,
  registerLocally,
  startLogin,
} from "../../lib/session/opaque.ts";
import { envelopeSizes } from "../../lib/wire/envelope.ts";

await loadOpaque();

const stretching = { iterations: 1, memory: 8, parallelism: 1 };
const serverSetup = createServerSetup();
const record = registerLocally({ password: "s3cret", serverSetup, account: "Zo\u00eb", stretching });

function login(password: string, account: string, stored: string | null) {
  const started = startLogin(password);
  const answered = answerLogin(serverSetup, account, stored, started.ke1)!;
  return { started, answered, finished: finishLogin(password, started.state, answered.ke2, stretching) };
}

Deno.test("the right password gives both sides one session key, and the peer an export key and the coordinator's", () => {
  const { started, answered, finished } = login("s3cret", "Zo\u00eb", record);
  assert(finished);
  assertEquals([started.ke1, answered.ke2, finished.ke3].map(({ length }) => length), [
    envelopeSizes.ke1,
    envelopeSizes.ke2,
    envelopeSizes.ke3,
  ]);
  assertEquals(acceptLogin(answered.state, finished.ke3), finished.sessionKey);
  assertEquals([finished.sessionKey.length, finished.exportKey.length], [64, 64]);
  const again = login("s3cret", "zoe\u0308", record).finished;
  assert(again, "another spelling of the same account");
  assertEquals(again.exportKey, finished.exportKey);
  assertEquals(again.coordinatorKey, finished.coordinatorKey);
  assertNotEquals(again.sessionKey, finished.sessionKey);
});

Deno.test("a wrong password, an unknown account, another account's record and another coordinator all look the same to the peer", () => {
  const other = createServerSetup();
  const elsewhere = startLogin("s3cret");
  assertEquals(login("wrong", "Zo\u00eb", record).finished, undefined);
  assertEquals(login("s3cret", "eve", null).finished, undefined);
  assertEquals(login("s3cret", "eve", record).finished, undefined);
  const answer = answerLogin(other, "Zo\u00eb", record, elsewhere.ke1);
  if (answer !== undefined) {
    assertEquals(finishLogin("s3cret", elsewhere.state, answer.ke2, stretching), undefined);
  }
  assertEquals(login("s3cret", "eve", null).answered.ke2.length, envelopeSizes.ke2);
});

Deno.test("a KE3 that is altered, of another login or junk is not accepted, and junk throws nowhere", () => {
  const { answered, finished } = login("s3cret", "Zo\u00eb", record);
  const second = login("s3cret", "Zo\u00eb", record);
  assert(finished && second.finished);
  assertEquals(acceptLogin(answered.state, second.finished.ke3), undefined);
  for (let at = 0; at < 64; at += 9) {
    assertEquals(acceptLogin(answered.state, finished.ke3.with(at, finished.ke3[at]! ^ 1)), undefined);
  }
  for (const size of [0, 63, 64, 65]) assertEquals(acceptLogin(answered.state, new Uint8Array(size)), undefined);
  for (const size of [0, 95, 96, 97]) {
    assertEquals(answerLogin(serverSetup, "ada", null, new Uint8Array(size).fill(255)), undefined);
    assertEquals(finishLogin("x", startLogin("x").state, new Uint8Array(size * 3), stretching), undefined);
  }
});

Deno.test("foldAccount() is one text for every spelling of an account", () => {
  for (const spelling of ["Zo\u00eb", "ZOE\u0308", "zo\u00eb"]) assertEquals(foldAccount(spelling), "zo\u00eb");
  assertNotEquals(foldAccount("zoe"), foldAccount("zo\u00eb"));
});
