import { assertEquals, assertMatch } from "@std/assert";

const peer = ["run", "-q", "--no-prompt", "-P=peer", "peer.ts"];

async function runShell(redirection: string) {
  const command = `exec "$0" "$@" ${redirection}`;
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", command, Deno.execPath(), ...peer, "--version"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test({
  name: "data that a full disk does not take ends the program with one line and its exit code",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { code, stderr } = await runShell(">/dev/full");
    assertEquals(code, 9, stderr);
    assertMatch(stderr, /^error: Cannot write to standard output: the disk is full\n$/);
  },
});

Deno.test({
  name: "notes that a full disk does not take end nothing",
  ignore: Deno.build.os !== "linux",
  async fn() {
    assertEquals((await runShell("2>/dev/full")).code, 0);
    const refused = await new Deno.Command("sh", {
      args: ["-c", `exec "$0" "$@" 2>/dev/full`, Deno.execPath(), ...peer, "--no-such-option"],
      stdin: "null",
    }).output();
    assertEquals(refused.code, 2);
  },
});
