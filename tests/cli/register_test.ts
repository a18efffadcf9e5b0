import { assertEquals, assertRejects } from "@std/assert";
import type { LoginTerminal } from "../../lib/cli/login_prompt.ts";
import { readPasswords } from "../../lib/cli/passwd.ts";
import { type NewAccount, register } from "../../lib/cli/register.ts";
import { RemoteError, ShoalError, UsageError } from "../../lib/core/errors.ts";
import { assertThrows } from "@std/assert";

/** Answers questions in turn and keeps what was asked. */
function terminalOf(...answers: (string | undefined)[]): LoginTerminal & { readonly seen: string[] } {
  const seen: string[] = [];
  const next = (question: string) => {
    seen.push(question);
    return answers.shift();
  };
  return { seen, ask: next, askSecret: (question) => next(`secret: ${question}`), say: (line) => void seen.push(line) };
}

function sourcesOf(
  { vars = {}, terminal, user, passwordFile }: {
    readonly vars?: Record<string, string>;
    readonly terminal?: LoginTerminal;
    readonly user?: string;
    readonly passwordFile?: string;
  },
) {
  return {
    user,
    passwordFile,
    newPasswordFile: undefined,
    env: (name: string) => vars[name],
    readSecret: (path: string) => `from ${path}`,
    terminal,
  };
}

const make = ({ account }: NewAccount) => Promise.resolve(account.toLowerCase());

Deno.test("register() asks for a name, and for the password twice", async () => {
  const terminal = terminalOf(" Ada ", "secret", "secret");
  assertEquals(await register(sourcesOf({ terminal }), make), { account: "ada", password: "secret" });
  assertEquals(terminal.seen, ["User name you want:", "secret: A password for it:", "secret: The same again:"]);
});

Deno.test("register() takes what it was told, and asks nobody", async () => {
  const vars = { SHOAL_PASSWORD: "secret" };
  assertEquals(await register(sourcesOf({ user: "ada", vars }), make), { account: "ada", password: "secret" });
  const file = await register(sourcesOf({ user: "ada", vars, passwordFile: "/p" }), make);
  assertEquals(file.password, "from /p");
  await assertRejects(() => register(sourcesOf({ vars }), make), UsageError, "user name is missing");
  await assertRejects(() => register(sourcesOf({ user: "ada" }), make), UsageError, "password is missing");
});

Deno.test("register() asks again for two passwords that differ", async () => {
  const terminal = terminalOf("one", "two", "secret", "secret");
  assertEquals((await register(sourcesOf({ user: "ada", terminal }), make)).password, "secret");
});

Deno.test("register() asks for another name where one cannot be had, and keeps the password; other refusals end it", async () => {
  const taken = new RemoteError("nameTaken", 'Cannot register as "ada": somebody has that name');
  const terminal = terminalOf("ada", "secret", "secret", "bob");
  const tried: string[] = [];
  const made = await register(sourcesOf({ terminal }), (wanted) => {
    tried.push(wanted.account);
    return wanted.account === "ada" ? Promise.reject(taken) : Promise.resolve(wanted.account);
  });
  assertEquals([made, tried], [{ account: "bob", password: "secret" }, ["ada", "bob"]]);
  const refuse = (code: "denied" | "nameTaken") => () => Promise.reject(new RemoteError(code, "Cannot register: no"));
  await assertRejects(
    () => register(sourcesOf({ terminal: terminalOf("ada", "x", "x") }), refuse("denied")),
    ShoalError,
  );
  const told = sourcesOf({ user: "ada", terminal: terminalOf("x", "x") });
  await assertRejects(() => register(told, refuse("nameTaken")), ShoalError, "no");
});

Deno.test("register() asks for no other name where the password cannot be used", async () => {
  const terminal = terminalOf("ada", "bell\u0007", "bell\u0007", "bob");
  const refuse = () => Promise.reject(new UsageError("Cannot use that password: it holds a control character"));
  await assertRejects(() => register(sourcesOf({ terminal }), refuse), UsageError, "Cannot use that password");
  assertEquals(terminal.seen.length, 3);
});

Deno.test("readPasswords() reads the old password and, twice, the new one; or both from where scripts put them", () => {
  const terminal = terminalOf("old", "new", "new");
  assertEquals(readPasswords(sourcesOf({ terminal })), { oldPassword: "old", newPassword: "new" });
  assertEquals(terminal.seen.every((question) => question.startsWith("secret: ")), true);
  const vars = { SHOAL_PASSWORD: "old", SHOAL_NEW_PASSWORD: "new" };
  assertEquals(readPasswords(sourcesOf({ vars })), { oldPassword: "old", newPassword: "new" });
  assertThrows(() => readPasswords(sourcesOf({ terminal: terminalOf("old", "a", "b") })), UsageError, "differ");
  assertThrows(
    () => readPasswords(sourcesOf({ vars: { SHOAL_PASSWORD: "old" } })),
    UsageError,
    "the new one is missing",
  );
  assertThrows(() => readPasswords(sourcesOf({})), UsageError, "the one of now is missing");
});
