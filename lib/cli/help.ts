/** help: the help texts, made from the tables.  (pure) */

import { type CommandSpec, commandTable, type SpecName } from "./command_table.ts";
import { type FlagTable, formatFlags } from "./flags.ts";

/** Columns that help text is wrapped to. */
const helpWidth = 100;

/** The list of commands, as `help` shows it. */
export function overview(): string {
  const rows = Object.entries<CommandSpec>(commandTable).map(([name, spec]) => [`${name} ${spec.usage}`.trim(), spec]);
  const width = Math.max(...rows.map(([usage]) => (usage as string).length));
  const lines = rows.map(([usage, spec]) => `  ${(usage as string).padEnd(width)}  ${(spec as CommandSpec).summary}`);
  return ["Commands:", ...lines, "", "help <command> says more about one."].join("\n");
}

/** The long help of one command. */
export function commandHelp(name: SpecName): string {
  const spec: CommandSpec = commandTable[name];
  const parts = [`${usageLine(name)}\n    ${spec.summary}`, ...spec.details.map((paragraph) => wrap(paragraph))];
  if (Object.keys(spec.flags).length > 0) parts.push(`Options:\n${formatFlags(spec.flags)}`);
  const width = Math.max(...spec.examples.map(([line]) => line.length));
  parts.push(["Examples:", ...spec.examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`)].join("\n"));
  if (spec.aliases !== undefined) parts.push(`Also written: ${spec.aliases.join(", ")}`);
  return parts.join("\n\n");
}

/** How a command is written: `fetch [options] <name | id>…`. */
function usageLine(name: SpecName): string {
  const spec: CommandSpec = commandTable[name];
  const options = Object.keys(spec.flags).length > 0 ? "[options]" : "";
  return [name, options, spec.usage].filter((part) => part !== "").join(" ");
}

/** The help of the program: how it is called, its options, the commands. */
export function programHelp(flags: FlagTable): string {
  return [
    "peer <coordinator> [options] [command …]",
    wrap(
      "Logs in to a coordinator, shares files and fetches them from others. <coordinator> is a port on this machine (5000), " +
        "host:port, or [IPv6]:port. Without a command it asks for user name and password and opens a prompt.",
    ),
    `Options, before or after the command:\n${formatFlags(flags)}`,
    overview(),
    wrap(
      "The password comes from the prompt, --password-file, SHOAL_PASSWORD_FILE or SHOAL_PASSWORD; never from an option. " +
        "Options may also be set in config.json; docs/cli.md says where, and explains exit codes and --json.",
    ),
  ].join("\n\n");
}

function wrap(paragraph: string): string {
  const lines: string[] = [];
  for (const word of paragraph.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= helpWidth) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
