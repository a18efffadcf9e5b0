/** The pages' links lead somewhere, and README.md names commands and tasks that are there. */

import { assertEquals } from "@std/assert";
import { commandTable } from "../../lib/cli/command_table.ts";

const root = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));

async function pages(): Promise<URL[]> {
  const found: URL[] = [];
  for (const folder of [root, new URL("docs/", root), new URL("docs/adr/", root)]) {
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isFile && entry.name.endsWith(".md")) found.push(new URL(entry.name, folder));
    }
  }
  return found;
}

Deno.test("every link between pages leads to a file", async () => {
  const broken: string[] = [];
  for (const page of await pages()) {
    const text = await Deno.readTextFile(page);
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      await Deno.stat(new URL(target!, page)).catch(() => broken.push(`${page.pathname}: ${target}`));
    }
  }
  assertEquals(broken, []);
});

Deno.test("the commands of README.md are the peer's", () => {
  const table = readme.slice(readme.indexOf("## Commands")).match(/^\|.*\|$/gm)!.slice(2);
  const named = table.filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...line.split(/(?<!\\)\|/)[1]!.matchAll(/`(\w+)/g)].map(([, name]) => name!));
  const commands = Object.keys(commandTable);
  assertEquals(commands.filter((name) => !named.includes(name)), [], "commands to add");
  assertEquals(named.filter((name) => !commands.includes(name)), [], "commands to remove");
});

Deno.test("the tasks that pages name are in deno.json", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root))) as {
    tasks: Record<string, unknown>;
  };
  const missing: string[] = [];
  for (const page of await pages()) {
    const text = await Deno.readTextFile(page);
    for (const [, name] of text.matchAll(/deno(?:@[\d.]+)? task (?:-q )?([a-z]+)/g)) {
      if (!Object.hasOwn(tasks, name!)) missing.push(`${page.pathname}: ${name}`);
    }
  }
  assertEquals(missing, []);
});
