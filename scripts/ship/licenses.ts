/**
 * licenses: what goes along with a bundle because others wrote parts of it: the licence of each package in it, and of the project.
 * (I/O)
 */

import { join } from "@std/path";

/** What `deno info --json` tells of a program's packages. */
interface Info {
  readonly modules: readonly { readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<Record<string, Package>>;
}

interface Package {
  readonly name: string;
  readonly version: string;
  /** Keys of `npmPackages`. */
  readonly dependencies: readonly string[];
  /** Its folder on this machine. */
  readonly localPath: string;
}

const aboutDeno = `Deno (https://deno.com), where this comes with its runtime: MIT License, Copyright the Deno authors.
It holds V8, Rust crates and other software under their own licences: https://github.com/denoland/deno`;

/**
 * Writes down the licences of the packages that a program reaches, sorted by name.
 * @param info As `deno info --json` prints it.
 * @param root The project's folder.
 * @throws {Error} If a package has none.
 */
export async function licensesOf(info: string, root: string): Promise<string> {
  const { modules, npmPackages } = JSON.parse(info) as Info;
  const reached = new Set<string>();
  const reach = (key: string) => {
    if (reached.has(key)) return;
    reached.add(key);
    for (const dependency of npmPackages[key]!.dependencies) reach(dependency);
  };
  for (const { npmPackage } of modules) if (npmPackage !== undefined) reach(npmPackage);
  const parts = [`Shoal\n\n${await Deno.readTextFile(join(root, "LICENSE"))}`, aboutDeno];
  for (const key of [...reached].sort()) parts.push(await licenseOf(npmPackages[key]!));
  return parts.map((part) => `${part.trim()}\n`).join(`\n${"-".repeat(80)}\n\n`);
}

async function licenseOf({ name, version, localPath }: Package): Promise<string> {
  const names = [...Deno.readDirSync(localPath)].map((entry) => entry.name);
  const files = names.filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file)).sort();
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(join(localPath, file))));
  const { license } = JSON.parse(await Deno.readTextFile(join(localPath, "package.json"))) as { license?: string };
  if (texts.length === 0 && license === undefined) throw new Error(`${name} ${version} tells no licence`);
  return `${name} ${version}: ${license ?? "see below"}\n\n${texts.join("\n")}`;
}
