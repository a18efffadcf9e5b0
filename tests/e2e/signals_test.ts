/** Ctrl-C, Ctrl-D and SIGTERM mean what docs/cli.md says, at a real terminal, started in either way. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { programArgs, Stage } from "../../scripts/programs.ts";
import { assertDone, ofType, said } from "./ended.ts";
import { fetchedPath, sha256, writeRandom, writeSparse } from "./files.ts";
import { readJournal } from "./journals.ts";
import { stallFetch } from "./stalled_fetch.ts";
import { hasTerminal, keys, openTerminal } from "./terminal.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const largeBytes = 96 * mib;

if (!hasTerminal) console.log("skipped: parts of signals_test need script of util-linux");

/** The ways to start a peer, as the words before its arguments. */
const ways = {
  "deno run": [Deno.execPath(), ...programArgs("peer")],
  "deno task": [Deno.execPath(), "task", "-q", "peer"],
} as const;

for (const [way, start] of Object.entries(ways)) {
  Deno.test({
    name: `Ctrl-C once by ${way} keeps what is verified, prints the command that goes on, and ends with 130`,
    ignore: !hasTerminal,
    async fn() {
      await using stage = await Stage.open(accounts);
      await stage.coordinator();
      const source = stage.path("large.bin");
      await writeSparse(source, largeBytes);
      const holder = stage.peer("alice", ["share", source]);
      await holder.ready();
      const fetching = await stallFetch(stage, holder, [...start, ...stage.peerWords("bob"), "fetch", "large.bin"]);
      fetching.type(keys.ctrlC);
      const ended = await fetching.end();
      assertEquals(ended.code, 130, said(ended));
      // An orderly end says goodbye to the coordinator; a hasty one would leave it waiting for keep-alives.
      const peers = ofType(assertDone(await stage.peer("alice", ["peers"], { home: "alice2" }).end()), "peer");
      assertEquals(peers.find((one) => one["account"] === "bob")?.["online"], false, JSON.stringify(peers));
      const resume = /To go on:\s+(deno task -q peer .*)\r\n/.exec(ended.stdout)?.[1];
      assert(resume !== undefined, said(ended));
      const left = readJournal(stage.path("home-bob"));
      assert(left !== undefined && left.verified.size > 0, said(ended));

      holder.signal("SIGCONT");
      const line = resume.replace(/^deno /, `'${Deno.execPath()}' `);
      const again = assertDone(await stage.run(["-c", `${line} --json`], { executable: "sh" }).end());
      const restBytes = largeBytes - left.verified.size * mib / 4;
      assertEquals(ofType(again, "fetched")[0]?.["fetchedBytes"], restBytes, said(again));
      assertEquals(await sha256(fetchedPath(stage, "bob", "large.bin")), await sha256(source));
    },
  });
}

Deno.test({
  name: "Ctrl-C ends a command that waits for a coordinator which no longer answers, and does not wait with it",
  ignore: !hasTerminal,
  async fn() {
    await using stage = await Stage.open(accounts);
    const coordinator = await stage.coordinator();
    const source = stage.path("shared.txt");
    await Deno.writeTextFile(source, "shared");
    const prompt = openTerminal(stage, [...ways["deno run"], ...stage.peerWords("bob")]);
    await prompt.output("shoal> ");
    coordinator.signal("SIGSTOP");
    for (const command of ["peers", "find x", `share ${source}`]) {
      const before = prompt.stdout.length;
      prompt.type(`${command}${keys.enter}`);
      await prompt.output("\n", before);
      prompt.type(keys.ctrlC);
      await prompt.output("shoal> ", before);
    }
    const before = prompt.stdout.length;
    prompt.type(`fetch x${keys.enter}`);
    await prompt.output("in the background", before);
    prompt.type(keys.ctrlC);
    await prompt.output("Interrupted", before);
    assert(!prompt.stdout.includes("no answer in time"), prompt.stdout);
    coordinator.signal("SIGCONT");
    prompt.type(keys.ctrlD);
    assertDone(await prompt.end());
  },
});

Deno.test({
  name: "at the prompt the first Ctrl-C clears the line and stays, and a second one leaves with 130",
  ignore: !hasTerminal,
  async fn() {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const prompt = openTerminal(stage, [...ways["deno run"], ...stage.peerWords("bob")]);
    await prompt.output("shoal> ");
    prompt.type("half a comm");
    await prompt.output("half a comm");
    prompt.type(keys.ctrlC);
    await prompt.output("Type quit, or press Ctrl-C again, to leave");
    // Nearer ones count as one.
    await new Promise((wake) => setTimeout(wake, 600));
    prompt.type(keys.ctrlC);
    const ended = await prompt.end();
    assertEquals(ended.code, 130, said(ended));
  },
});

for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  Deno.test(`${signal} ends a peer that serves, even twice, with 0, and it is away at once`, async () => {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("shared.txt");
    await Deno.writeTextFile(source, "shared");
    const serving = stage.peer("alice", ["share", source]);
    await serving.ready();
    serving.signal(signal);
    serving.signal(signal);
    assertDone(await serving.end());
    const peers = assertDone(await stage.peer("bob", ["peers"]).end());
    const alice = ofType(peers, "peer").find((one) => one["account"] === "alice");
    assertEquals(alice?.["online"], false, said(peers));
  });
}

Deno.test({
  name: "at a terminal a person logs in unseen, finds, fetches with progress, completes by Tab and leaves by Ctrl-D",
  ignore: !hasTerminal,
  async fn() {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("report 1.bin");
    await writeRandom(source, 3_000_000);
    await stage.peer("alice", ["share", source]).ready();
    const folders = ["--home", stage.path("home-bob"), "--dir", stage.path("files-bob")];
    const prompt = openTerminal(stage, [...ways["deno run"], String(stage.port), ...folders]);
    let seen = 0;
    const shows = async (text: string) => {
      await prompt.output(text, seen);
      seen = prompt.stdout.indexOf(text, seen) + text.length;
    };
    const type = (text: string) => prompt.type(text);

    await shows("User name:");
    type(`bob${keys.enter}`);
    await shows("Password of bob:");
    type(`not it${keys.enter}`);
    await shows("Try again");
    await shows("User name");
    type(keys.enter);
    await shows("Password of bob:");
    type(`${accounts.bob}${keys.enter}`);
    await shows("shoal> ");
    type(`find report${keys.enter}`);
    await shows("3 MB");
    await shows("shoal> ");
    type(`fetch "report 1.bin"${keys.enter}`);
    await shows("fetched ");
    assertEquals(await sha256(fetchedPath(stage, "bob", "report 1.bin")), await sha256(source));
    // A key at a time: what comes in one piece is pasted, and a pasted Tab is no wish.
    type("pee");
    await shows("pee");
    type(keys.tab);
    await shows("rs");
    type(keys.enter);
    await shows("alice");
    await shows("shoal> ");
    type(keys.ctrlD);
    const ended = assertDone(await prompt.end());
    for (const secret of [accounts.bob, "not it"]) assert(!ended.stdout.includes(secret), "a password was shown");
    assertStringIncludes(ended.stdout, "Ready: bob/");
  },
});
