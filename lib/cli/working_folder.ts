/**
 * working_folder: where relative paths start from. `deno task` changes to the project's folder and tells where it was called
 * from in INIT_CWD; a person means the latter.  (pure: the environment is passed in)
 */

import { fromFileUrl } from "@std/path";

/** `program`: the URL of the program's own module. */
export function workingFolder(program: string, cwd: string, env: (name: string) => string | undefined): string {
  const isProject = program.startsWith("file:") && fromFileUrl(new URL(".", program)).replace(/[/\\]$/, "") === cwd;
  return isProject ? env("INIT_CWD") || cwd : cwd;
}
