import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { programArgs } from "../../scripts/programs.ts";
import { programNames } from "../../scripts/ship/bundle.ts";

const root = fromFileUrl(import.meta.resolve("../../"));
const config = JSON.parse(Deno.readTextFileSync(join(root, "deno.json")));

Deno.test("no task takes all permissions or asks for more", () => {
  for (const [name, { command }] of Object.entries<{ command: string }>(config.tasks)) {
    assertNotMatch(command, / -A\b|--allow-all|--allow-run(?!=)/, name);
    if (command.includes("deno run")) assertMatch(command, /deno run -q --no-prompt /, name);
  }
});

Deno.test("the tasks of the programs start them as everything else here does", () => {
  for (const program of programNames) {
    const words = programArgs(program).filter((word, i, all) => word !== "--config" && all[i - 1] !== "--config");
    const command = ["deno", ...words.slice(0, -1), `${program}.ts`].join(" ");
    assertEquals(config.tasks[program].command, `DENO_NO_UPDATE_CHECK=1 ${command}`);
  }
});

Deno.test("each @std package has a stand-in of its name, with a version that the range of deno.json takes", () => {
  const standIns = [...Deno.readDirSync(join(root, "lib/std"))].map(({ name: folder }) => {
    const { name, version } = JSON.parse(Deno.readTextFileSync(join(root, "lib/std", folder, "deno.json")));
    assertEquals(name, `@std/${folder}`);
    return { name, version };
  });
  const wanted = Object.keys(config.imports).filter((name) => name.startsWith("@std/"));
  assertEquals(standIns.map(({ name }) => name).sort(), wanted.sort());
  for (const { name, version } of standIns) {
    const [, wantedMajor, wantedMinor] = /\^(\d+)\.(\d+)$/.exec(config.imports[name])!;
    const [major, minor] = version.split(".");
    assert(major === wantedMajor && Number(minor) >= Number(wantedMinor), `${name} ${version}`);
  }
});

Deno.test("the programs read their own environment alone, and start no other program", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${folder}/probe.ts`,
      `let refusal;
       try { new Deno.Command("true").outputSync(); } catch (error) { refusal = error.name; }
       console.log(JSON.stringify([Deno.env.get("SHOAL_DIR"), Deno.env.get("AWS_SECRET") ?? null, refusal]));`,
    );
    for (const program of ["coordinator", "peer"]) {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "--no-prompt", `--config=${root}deno.json`, `-P=${program}`, `${folder}/probe.ts`],
        env: { SHOAL_DIR: "seen", AWS_SECRET: "hidden" },
      }).output();
      assertEquals(new TextDecoder().decode(stderr), "");
      assertEquals(JSON.parse(new TextDecoder().decode(stdout)), ["seen", null, "NotCapable"], program);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
