/** take_home: who runs the commands of this process: itself, or the process that owns the home.  (I/O) */

import { NetworkError } from "../core/errors.ts";
import { Home, localSocketPath } from "./home.ts";
import type { HomeFolders } from "./home_folders.ts";
import { LocalClient } from "./local_client.ts";

/** How long a home that somebody owns may be silent: its owner is just starting or just ending, in milliseconds. */
const ownerSilentMs = 15_000;

/** What the command line says about the peer that is meant. */
export interface HomeWish {
  readonly folders: HomeFolders;
  /** A numeric endpoint. */
  readonly coordinator: string;
  /** The account, if one was named. */
  readonly account: string | undefined;
}

/**
 * Takes the home; where another process has it, connects to that one. A home between two owners is waited for.
 * @throws {NetworkError} If its owner does not answer.
 * @throws {StoreError} As `Home.open`.
 */
export async function takeHome({ folders, coordinator, account }: HomeWish): Promise<Home | LocalClient> {
  const giveUpAtMs = performance.now() + ownerSilentMs;
  const target = { path: localSocketPath(folders), coordinator, account };
  for (;;) {
    const home = Home.open(folders, (size) => crypto.getRandomValues(new Uint8Array(size)));
    if (home !== undefined) return home;
    try {
      return await LocalClient.open(target);
    } catch (error) {
      if (!(error instanceof NetworkError) || performance.now() > giveUpAtMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
