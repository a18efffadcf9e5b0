import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Credentials, logIn, type LoginSources, type LoginTerminal } from "../../lib/cli/login_prompt.ts";
import { ShoalError, UsageError } from "../../lib/core/errors.ts";

/** Answers questions in turn and keeps what was asked. */
class FakeTerminal implements LoginTerminal {
  readonly seen: string[] = [];
  readonly #answers: (string | undefined)[];

  constructor(...answers: (string | undefined)[]) {
    this.#answers = answers;
  }

  ask(question: string): string | undefined {
    this.seen.push(question);
    return this.#answers.shift();
  }

  askSecret(question: string): string | undefined {
    this.seen.push(`secret: ${question}`);
    return this.#answers.shift();
  }

  say(line: string): void {
    this.seen.push(line);
  }
}

function sourcesOf(changes: Partial<LoginSources> & { vars?: Record<string, string>; files?: Record<string, string> }) {
  const { vars = {}, files = {}, ...rest } = changes;
  return {
    user: undefined,
    passwordFile: undefined,
    env: (name: string) => vars[name],
    readSecret: (path: string) => files[path] ?? "",
    terminal: undefined,
    enrolled: [],
    isEnrolled: () => false,
    note: () => {},
    ...rest,
  };
}

const accept = (credentials: Credentials) => Promise.resolve(credentials);
const deny = () => Promise.reject(new ShoalError("denied", "Cannot log in: wrong name or password"));
const ada = { account: "ada", password: "secret" };

Deno.test("logIn() takes what it was told, and asks nobody", async () => {
  const vars = { SHOAL_PASSWORD: "secret" };
  assertEquals(await logIn(sourcesOf({ user: "ada", vars }), accept), ada);
  const terminal = new FakeTerminal();
  assertEquals(await logIn(sourcesOf({ user: "ada", vars, terminal }), accept), ada);
  assertEquals(terminal.seen, []);
});

Deno.test("logIn() takes the password of the file before that of the environment", async () => {
  const sources = sourcesOf({
    user: "ada",
    passwordFile: "/p",
    files: { "/p": "secret" },
    vars: { SHOAL_PASSWORD: "x" },
  });
  assertEquals(await logIn(sources, accept), ada);
});

Deno.test("logIn() names the options where something is missing and nobody can answer", async () => {
  const noUser = await assertRejects(() => logIn(sourcesOf({ vars: { SHOAL_PASSWORD: "x" } }), accept), UsageError);
  assertStringIncludes(noUser.hint!, "--user");
  const noPassword = await assertRejects(() => logIn(sourcesOf({ user: "ada" }), accept), UsageError);
  assertStringIncludes(noPassword.hint!, "--password-file");
  const atEnd = sourcesOf({ terminal: new FakeTerminal(undefined) });
  await assertRejects(() => logIn(atEnd, accept), UsageError, "user name");
});

Deno.test("logIn() asks a person for what is missing", async () => {
  const terminal = new FakeTerminal("", " ada ", "secret");
  assertEquals(await logIn(sourcesOf({ terminal }), accept), ada);
  assertEquals(terminal.seen, ["User name:", "User name:", "secret: Password of ada:"]);
});

Deno.test("logIn() gives a person three tries, and keeps the name that was typed", async () => {
  const terminal = new FakeTerminal("ada", "wrong", "", "secret");
  let tries = 0;
  const login = (credentials: Credentials) => ++tries === 1 ? deny() : accept(credentials);
  assertEquals(await logIn(sourcesOf({ terminal }), login), ada);
  assertEquals(terminal.seen[2], "Cannot log in: wrong name or password. Try again");
  assertEquals(terminal.seen[3], "User name [ada]:");

  const stubborn = new FakeTerminal("a", "1", "2", "3", "4");
  await assertRejects(() => logIn(sourcesOf({ user: "ada", terminal: stubborn }), deny), ShoalError, "wrong");
  assertEquals(stubborn.seen.filter((line) => line.startsWith("secret")).length, 3);
});

Deno.test("logIn() tries once where nobody can answer, and never again on another failure", async () => {
  let tries = 0;
  const count = (error: ShoalError) => () => {
    tries++;
    return Promise.reject(error);
  };
  const told = sourcesOf({ user: "ada", vars: { SHOAL_PASSWORD: "x" }, terminal: new FakeTerminal() });
  await assertRejects(() => logIn(told, count(new ShoalError("denied", "no"))), ShoalError);
  const asked = sourcesOf({ user: "ada", terminal: new FakeTerminal("x", "y") });
  await assertRejects(() => logIn(asked, count(new ShoalError("tooManyTries", "no"))), ShoalError);
  await assertRejects(() => logIn(asked, count(new ShoalError("unreachable", "no"))), ShoalError);
  assertEquals(tries, 3);
});

Deno.test("logIn() shows the words of a coordinator harmlessly", async () => {
  const terminal = new FakeTerminal("1", "2", "3");
  const evil = () => Promise.reject(new ShoalError("denied", "Cannot log in: \x1b[2J"));
  await assertRejects(() => logIn(sourcesOf({ user: "ada", terminal }), evil), ShoalError);
  assertStringIncludes(terminal.seen.join(), "\\x1b[2J");
});

/** What a device has that is enrolled in one account; `told`: the notes. */
function enrolledIn(account: string, told: string[] = []) {
  return {
    enrolled: [account],
    isEnrolled: (name: string) => name.toLowerCase() === account,
    note: (message: string) => void told.push(message),
    readSecret: () => {
      throw new Error("the password file was read");
    },
    passwordFile: "/p",
  };
}

Deno.test("logIn() takes the device's key, and neither reads nor asks for a password", async () => {
  const byKey = { account: "ada", password: undefined };
  assertEquals(await logIn(sourcesOf({ user: "ada", ...enrolledIn("ada") }), accept), byKey);
  const terminal = new FakeTerminal("");
  assertEquals(await logIn(sourcesOf({ terminal, ...enrolledIn("ada") }), accept), byKey);
  assertEquals(terminal.seen, ["User name [ada]:"]);
});

Deno.test("logIn() takes the only account that is enrolled where nobody can answer", async () => {
  assertEquals(await logIn(sourcesOf(enrolledIn("ada")), accept), { account: "ada", password: undefined });
  const two = { ...enrolledIn("ada"), enrolled: ["ada", "bob"] };
  await assertRejects(() => logIn(sourcesOf(two), accept), UsageError, "user name");
});

Deno.test("logIn() goes on to the password where the key is refused, and says why", async () => {
  const login = (credentials: Credentials) =>
    credentials.password === undefined
      ? Promise.reject(new ShoalError("denied", "Cannot log in by this device's key: revoked"))
      : accept(credentials);
  const notes: string[] = [];
  const terminal = new FakeTerminal("secret");
  const { passwordFile: _, readSecret: __, ...enrolled } = enrolledIn("ada", notes);
  assertEquals(await logIn(sourcesOf({ user: "ada", terminal, ...enrolled }), login), ada);
  assertEquals([notes, terminal.seen], [
    ["Cannot log in by this device's key: revoked"],
    ["secret: Password of ada:"],
  ]);
  // Where nobody can answer, the reason is why the key was refused, and the hint how to give a password.
  const refused = await assertRejects(
    () => logIn(sourcesOf({ user: "ada", ...enrolled }), login),
    ShoalError,
    "revoked",
  );
  assertEquals(refused.code, "denied");
  assertStringIncludes(refused.hint!, "--password-file");
});

Deno.test("logIn() does not fall back to the password where the coordinator is out of reach or disabled the account", async () => {
  for (const code of ["unreachable", "disabled"] as const) {
    const fail = () => Promise.reject(new ShoalError(code, "no"));
    await assertRejects(() => logIn(sourcesOf({ user: "ada", ...enrolledIn("ada") }), fail), ShoalError, "no");
  }
});
