import { assertEquals, assertRejects } from "@std/assert";
import { type ErrorCode, RemoteError, ShoalError, TimeoutError } from "../../lib/core/errors.ts";
import type { Identity } from "../../lib/membership/types.ts";
import { changePassword } from "../../lib/peer/password_change.ts";
import type { Control } from "../../lib/peer/control.ts";
import { openAccountKey, sealAccountKey } from "../../lib/session/account_key.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import {
  acceptLogin,
  answerLogin,
  answerRegistration,
  coordinatorKeyOf,
  createServerSetup,
  finishLogin,
  loadOpaque,
  prove,
  registerLocally,
  startLogin,
} from "../../lib/session/opaque.ts";
import { formatBase64Url } from "../../lib/core/base64.ts";
import type { MessageOf } from "../../lib/wire/message.ts";

await loadOpaque();
const stretching = { iterations: 1, memory: 8, parallelism: 1 };
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const accountKey = signingKeyFrom(new Uint8Array(32).fill(1));

/** A coordinator's side of ada's account, with real OPAQUE. */
class Ada {
  readonly setup = createServerSetup();
  record = registerLocally({ password: "old", serverSetup: this.setup, account: "ada", stretching });
  sealed = sealAccountKey(this.logIn("old")!, "ada", accountKey, random);
  /** What SET_PASSWORD ends in, after it was done or not. */
  failure: { readonly error: ShoalError; readonly isDone: boolean } | undefined;
  #state = "";

  /** The export key of a login. */
  logIn(password: string) {
    const { ke1, state } = startLogin(password);
    const { ke2 } = answerLogin(this.setup, "ada", this.record, ke1)!;
    return finishLogin(password, state, ke2, stretching)?.exportKey;
  }

  change(oldPassword: string, newPassword: string, key = accountKey.publicKey): Promise<void> {
    const identity = { account: "ada", accountKey: key, coordinatorKey: coordinatorKeyOf(this.setup) } as Identity;
    return changePassword({ oldPassword, newPassword, everywhere: false }, {
      control: { request: ((message: never) => this.#answer(message)) as Control["request"] },
      identity,
      prove: (step) => Promise.resolve(prove(step, stretching)),
      random,
    });
  }

  #answer(message: MessageOf<"changePassword"> | MessageOf<"setPassword">): Promise<unknown> {
    if (message.kind === "changePassword") {
      const { ke2, state } = answerLogin(this.setup, "ada", this.record, message.ke1)!;
      this.#state = state;
      const response = answerRegistration(this.setup, "ada", message.request)!;
      const accountKeyNow = { publicKey: accountKey.publicKey, sealed: this.sealed };
      return Promise.resolve({ kind: "provePassword", ke2, response, accountKey: accountKeyNow });
    }
    assertEquals(acceptLogin(this.#state, message.ke3) === undefined, false);
    if (this.failure?.isDone !== false) {
      this.record = formatBase64Url(message.record);
      this.sealed = message.accountKey!.sealed;
    }
    return this.failure === undefined ? Promise.resolve({ kind: "done" }) : Promise.reject(this.failure.error);
  }
}

Deno.test("the new password logs in and opens the account's key; the old one does neither", async () => {
  const ada = new Ada();
  await ada.change("old", "new");
  assertEquals(ada.logIn("old"), undefined);
  const opened = openAccountKey(ada.logIn("new")!, "ada", { publicKey: accountKey.publicKey, sealed: ada.sealed });
  assertEquals(opened?.publicKey, accountKey.publicKey);
});

Deno.test("a wrong old password, or an account's key that is another than this device's, changes nothing", async () => {
  const ada = new Ada();
  const { record } = ada;
  assertEquals((await assertRejects(() => ada.change("wrong", "new"), ShoalError)).code, "denied");
  const other = signingKeyFrom(new Uint8Array(32).fill(2)).publicKey;
  assertEquals((await assertRejects(() => ada.change("old", "new", other), ShoalError)).code, "integrity");
  assertEquals(ada.record, record);
});

Deno.test("where the answer may be lost, nobody is told that the old password still holds", async () => {
  const lost: readonly ShoalError[] = [
    new TimeoutError("Cannot ask the coordinator: no answer in time", 10_000, 3),
    new RemoteError("usage", "The coordinator refused setPassword: no change of the password was begun"),
  ];
  for (const error of lost) {
    const ada = new Ada();
    ada.failure = { error, isDone: true };
    const told = await assertRejects(() => ada.change("old", "new"), ShoalError, "Cannot tell whether");
    assertEquals([told.code, told.cause], [error.code, error]);
  }
  for (const code of ["denied", "changed"] satisfies ErrorCode[]) {
    const ada = new Ada();
    ada.failure = { error: new RemoteError(code, "The coordinator refused setPassword"), isDone: false };
    assertEquals(await assertRejects(() => ada.change("old", "new"), ShoalError), ada.failure.error);
  }
});
