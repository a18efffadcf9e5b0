/** The coordinator's image, built without a registry and run with the least that a container can be given. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Program, Stage } from "../../scripts/programs.ts";
import { Containers } from "./containers.ts";
import { assertDone, said } from "./ended.ts";

const tag = "localhost/shoal-coordinator:test";
const data = ["--volume", "data:/data"];
const imageBytesMax = 130_000_000;

const mayRun = await Containers.areHere();
if (!mayRun) {
  console.log("skipped: container_test needs root, buildah, podman and runc, and a machine that lets them run");
}

Deno.test({
  name: "the coordinator as a container: small, confined, asked for its health, keeping its accounts, ending in order",
  ignore: !mayRun,
  async fn(t) {
    await using containers = await Containers.open();
    await using stage = await Stage.open({ ada: "ada's password", bob: "bob's password" });

    await t.step("two builds make the same layer, under 130 MB", async () => {
      const first = await build(containers);
      assertEquals(await build(containers), first, "the layers differ");
      const bytes = Number(await inspectImage(containers, "{{.Size}}"));
      assert(bytes > 0 && bytes < imageBytesMax, `the image has ${bytes} bytes`);
      const label = (name: string) => `{{index .Config.Labels "org.opencontainers.image.${name}"}}`;
      assertMatch(await inspectImage(containers, label("version")), /^\d+\.\d+\.\d+$/);
      assertMatch(await inspectImage(containers, label("revision")), /^([0-9a-f]{12}(-changed)?|unknown)$/);
    });

    await t.step("it answers its health check, and says that it does not when it hangs", async () => {
      await using coordinator = start(containers, "first", data);
      await coordinator.ready();
      const check = () => containers.podman(["healthcheck", "run", "first"]).end();
      assertDone(await check());
      await containers.ask("kill", "--signal", "STOP", "first");
      const hung = await check();
      assertEquals(hung.code, 1, said(hung));
      assertStringIncludes(await containers.ask("inspect", "first"), "no answer within");
      await containers.ask("kill", "--signal", "CONT", "first");
      assertDone(await check());
      await containers.ask("kill", "--signal", "KILL", "first");
      assertEquals((await coordinator.end()).code, 137);
    });

    await t.step("an account that was added while it ran is there after SIGKILL; SIGTERM tells its peers", async () => {
      {
        await using coordinator = start(containers, "second", data);
        await coordinator.ready();
        const input = "ada's password\n";
        const added = containers.container(["--interactive", ...data, tag, "user", "add", "ada"], { input });
        assertStringIncludes(assertDone(await added.end()).stdout, "Added ada");
        await containers.ask("kill", "--signal", "KILL", "second");
        await coordinator.end();
      }
      await using coordinator = start(containers, "third", data);
      stage.use(await coordinator.ready());
      const peer = stage.peer("ada", ["serve"]);
      await peer.ready();

      const pid = await containers.ask("inspect", "--format", "{{.State.Pid}}", "third");
      const status = await read(`/proc/${pid}/status`);
      assertMatch(status, /^Uid:\s+65532\s+65532\s+65532\s+65532$/m);
      assertMatch(status, /^CapBnd:\s+0+$/m);

      await containers.ask("stop", "--time", "60", "third");
      assertDone(await coordinator.end());
      // Within the hour of its keep-alive nothing else would tell it.
      await peer.note("trying again");
    });

    await t.step(
      "a secret is read where its _FILE variable says: no access is an error, others' a warning",
      async () => {
        const secret = stage.path("accounts");
        const path = "/run/secrets/accounts";
        const given = ["--volume", `${secret}:${path}:ro`, "--env", `SHOAL_CREDENTIALS_FILE=${path}`];
        await Deno.writeTextFile(secret, "bob bob's password\n", { mode: 0o600 });
        const refused = await containers.container([...given, tag]).end();
        assertEquals(refused.code, 11, said(refused));
        assertStringIncludes(refused.stderr, `Cannot read ${path}: permission denied`);

        await Deno.chmod(secret, 0o444);
        await using coordinator = start(containers, "fourth", given);
        stage.use(await coordinator.ready());
        await coordinator.note("others can read it");
        await stage.peer("bob", ["serve"]).ready();
        await containers.ask("stop", "--time", "60", "fourth");
        assertDone(await coordinator.end());
      },
    );
  },
});

/** Makes the image as `deno task image` does, and takes it from its archive, as another machine would; answers its layers. */
async function build(containers: Containers): Promise<string> {
  const script = ["run", "-q", "--no-prompt", "-P=scripts", "scripts/image.ts"];
  const archive = join(containers.folder, "image.tar");
  const options = ["--tag", tag, "--archive", archive, "--out", join(containers.folder, "image")];
  await using building = new Program([...script, ...options], { env: containers.env });
  assertMatch(assertDone(await building.end()).stdout, /MB \(runtime \d+\.\d, its libraries \d+\.\d, bundle \d+\.\d\)/);
  await containers.ask("rmi", tag);
  await containers.ask("load", "--quiet", "--input", archive);
  return await inspectImage(containers, "{{.RootFS.Layers}}");
}

function inspectImage(containers: Containers, format: string): Promise<string> {
  return containers.ask("image", "inspect", "--format", format, tag);
}

/** Starts the coordinator on a free port of this machine's loopback. */
function start(containers: Containers, name: string, args: readonly string[]): Program {
  const options = ["--env", "SHOAL_HOST=127.0.0.1", "--name", name];
  return containers.container([...options, ...args, tag, "0", "--json", "--keep-alive", "3600"], { network: "host" });
}

/** Deno itself opens nothing below /proc for a program with less than all permissions. */
async function read(path: string): Promise<string> {
  return new TextDecoder().decode((await new Deno.Command("cat", { args: [path], stderr: "null" }).output()).stdout);
}
