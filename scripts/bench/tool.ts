/**
 * tool: what the benchmarks want of a tool that gets files, ours or somebody else's. Laws: 1) `fetch` alone is timed, from a person's
 * command to the whole file under its name;  2) a tool keeps to loopback, by its own switches or because there is nothing else.  (pure)
 */

import type { Stage } from "../programs.ts";
import type { SideName } from "./sampler.ts";

/** What is to be fetched, and where tools may put things of their own. */
export interface Ground {
  readonly stage: Stage;
  /** The folder that has the file. */
  readonly source: string;
  readonly fileName: string;
  readonly fileBytes: number;
}

export interface Tool {
  readonly name: string;
  /** What it is compared as. */
  readonly kind: "ours" | "peer to peer" | "server";
  /** The programs that it is made of. */
  readonly needs: readonly string[];
  /** Why it is left out where it could reach other machines. */
  readonly loud?: string;
  /** Starts what runs before anybody fetches. @param work A folder of its own, empty. */
  prepare(ground: Ground, work: string): Promise<Getter>;
}

/** Tells the sampler of a process. */
export type Watch = (side: SideName, program: { readonly pid: number }) => void;

/** A tool that is ready. */
export interface Getter {
  /** The processes that run all the time. */
  readonly running: Readonly<Record<SideName, readonly number[]>>;
  /** What comes before a fetch and is not timed. */
  before?(folder: string, watch: Watch): Promise<void>;
  /** Fetches the file into a folder that is empty; done once it is whole there. */
  fetch(folder: string, watch: Watch): Promise<void>;
  /** What comes after it and is not timed. */
  after?(): Promise<void>;
  /** Ends what the stage does not end. */
  stop?(): Promise<void>;
}
