/**
 * config: everything that a run of `coordinator` was told. Law: no secret passes through here, only where to find one.
 * Spec: docs/cli.md "coordinator".  (pure: the environment is passed in)
 */

import { isAbsolute, join } from "@std/path";
import { UsageError } from "../core/errors.ts";
import type { Endpoint } from "../core/transport.ts";
import type { LogFormat, LogLevel } from "./log.ts";

/** The options of a coordinator that runs, in the shape of `cli/flags.ts`. */
export const serveFlags = {
  host: { value: "ADDRESS", help: "the address to listen on; :: or 0.0.0.0 for all", default: "127.0.0.1" },
  data: { value: "DIR", help: "the folder of keys and accounts; $XDG_STATE_HOME/shoal/coordinator unless told" },
  credentials: {
    value: "FILE",
    help: 'accounts to add, "name password" a line; those that exist are left as they are',
    alsoEnv: "SHOAL_CREDENTIALS_FILE",
  },
  "keep-alive": { value: "SECONDS", help: "how often peers are to say that they are here", default: "10" },
  "log-format": { value: "FORMAT", help: "text or json", default: "text" },
} as const;

/** The options of `coordinator user …`. */
export const userFlags = {
  data: serveFlags.data,
  "password-file": { value: "FILE", help: "a file that holds the new password and nothing else" },
} as const;

/** The options of `coordinator status` and `coordinator health`. */
export const statusFlags = { data: serveFlags.data } as const;

export const userActions = ["add", "remove", "list", "passwd", "disable", "enable"] as const;
export type UserAction = typeof userActions[number];

export interface ServeConfig {
  readonly listen: Endpoint;
  /** Absolute. */
  readonly dataFolder: string;
  /** Absolute. */
  readonly credentialsPath: string | undefined;
  readonly keepAliveMs: number;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
}

/** What the world around the program says. */
export interface Surroundings {
  readonly env: (name: string) => string | undefined;
  /** Absolute. */
  readonly cwd: string;
}

type TextValues<K extends string> = { readonly [name in K]: string | undefined };

/**
 * Reads what a coordinator is to run with.
 * @throws {UsageError} If a value cannot be.
 */
export function readServeConfig(
  port: string,
  values: TextValues<"data" | "credentials"> & {
    readonly host: string;
    readonly "keep-alive": string;
    readonly "log-format": string;
    readonly quiet: boolean;
    readonly verbose: boolean;
  },
  around: Surroundings,
): ServeConfig {
  const format = values["log-format"];
  if (format !== "text" && format !== "json") {
    throw new UsageError(`Cannot log as "${format}": the formats are text and json`);
  }
  if (values.quiet && values.verbose) throw new UsageError("Cannot log less and more at once: choose -q or -v");
  return {
    listen: { ip: parseHost(values.host), port: parsePort(port) },
    dataFolder: dataFolder(values.data, around),
    credentialsPath: values.credentials === undefined ? undefined : absolute(values.credentials, around.cwd),
    keepAliveMs: parseKeepAlive(values["keep-alive"]),
    logFormat: format,
    logLevel: values.quiet ? "quiet" : values.verbose ? "verbose" : "normal",
  };
}

/**
 * Finds the data folder.
 * @throws {UsageError} If neither --data nor the environment says where.
 */
export function dataFolder(told: string | undefined, { env, cwd }: Surroundings): string {
  if (told !== undefined) return absolute(told, cwd);
  const home = env("HOME");
  const state = env("XDG_STATE_HOME") || (home ? join(home, ".local", "state") : "");
  if (state === "") {
    throw new UsageError("Cannot find a data folder: HOME is not set", { hint: "Name one with --data DIR" });
  }
  return join(state, "shoal", "coordinator");
}

/** Makes a path absolute. */
export function absolute(path: string, cwd: string): string {
  return isAbsolute(path) ? path : join(cwd, path);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) {
    throw new UsageError(`Cannot listen on port "${text}": a port is a number from 1 to 65535, or 0 for a free one`, {
      hint: "Write coordinator 5000",
    });
  }
  return port;
}

function parseHost(text: string): string {
  if (text === "localhost") return "127.0.0.1";
  const bare = /^\[(.+)\]$/.exec(text)?.[1] ?? text;
  const isIpv4 = /^\d{1,3}(\.\d{1,3}){3}$/.test(bare) && bare.split(".").every((part) => Number(part) <= 255);
  if (isIpv4 || /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%\w+)?$/.test(bare)) return bare;
  throw new UsageError(`Cannot listen on "${text}": it is no IP address`, {
    hint: "Name an address of this machine, or 0.0.0.0 for all",
  });
}

function parseKeepAlive(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds < 0.1 || seconds > 3600) {
    throw new UsageError(`Cannot keep alive every "${text}": it is no number of seconds from 0.1 to 3600`);
  }
  return Math.round(seconds * 1000);
}
