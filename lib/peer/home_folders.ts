/** home_folders: where a peer keeps things on this machine.  (pure: the environment is passed in) */

import { join } from "@std/path";
import { UsageError } from "../core/errors.ts";

/** Where a peer keeps things. */
export interface HomeFolders {
  readonly config: string;
  readonly state: string;
  readonly cache: string;
}

/**
 * Finds the folders: all below `home` if it is given, else by the XDG base directories.
 * @throws {UsageError} If neither a home, nor the XDG variables, nor HOME say where.
 */
export function homeFolders(home: string | undefined, env: (name: string) => string | undefined): HomeFolders {
  if (home !== undefined) {
    return { config: join(home, "config"), state: join(home, "state"), cache: join(home, "cache") };
  }
  const user = env("HOME");
  const folder = (variable: string, below: string) => {
    const base = env(variable) || (user ? join(user, below) : "");
    if (base === "") {
      throw new UsageError("Cannot find a home folder: HOME is not set", { hint: "Name one with --home DIR" });
    }
    return join(base, "shoal");
  };
  return {
    config: folder("XDG_CONFIG_HOME", ".config"),
    state: folder("XDG_STATE_HOME", join(".local", "state")),
    cache: folder("XDG_CACHE_HOME", ".cache"),
  };
}
