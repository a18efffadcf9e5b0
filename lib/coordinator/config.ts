/**
 * config: everything that a run of `coordinator` was told. Law: no secret passes through here, only where to find one.
 * Spec: docs/cli.md "coordinator".  (pure: the environment is passed in)
 */

import { isAbsolute, join } from "@std/path";
import { UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Endpoint } from "../core/transport.ts";
import { type LogFormat, logFormats, type LogLevel, logLevels } from "./log.ts";

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
  "log-level": { value: "LEVEL", help: "error, warning (as -q), info or debug (as -v); info unless told" },
  admin: {
    value: "[HOST:]PORT",
    help: "where machines ask by HTTP how it is; nowhere unless told, 127.0.0.1 without HOST",
  },
  "admin-token-file": { value: "FILE", help: "the token for metrics; admin.token in the data folder unless told" },
  "admin-names": { value: "NAME,…", help: "names by which machines ask there, beside addresses and localhost" },
  "open-registration": { help: "let everybody make an account, at a bounded rate" },
  "shares-per-account": {
    value: "N",
    help: "files that an account may share unless it has a limit of its own; 1000000 unless told",
  },
  "rate-per-account": {
    value: "N",
    help: "requests a second of an account that has no limit of its own; 2000 unless told",
  },
  advertise: {
    value: "HOST[:PORT]",
    help: "where peers reach this one of several coordinators with one --store; the port it listens on unless told",
  },
  "peers-go-to": { value: "HOST:PORT,…", help: "up to 4 coordinators where peers are sent when this one stops" },
} as const;

/** The options of `coordinator user …`. */
export const userFlags = {
  data: serveFlags.data,
  "password-file": { value: "FILE", help: "a file that holds the new password and nothing else" },
  shares: { value: "N", help: "of limits: how many files the account may share, or default" },
  rate: { value: "N", help: "of limits: how many requests it may make a second, or default" },
} as const;

/** The options of `coordinator health`. */
export const healthFlags = { data: serveFlags.data } as const;

/** The options of `coordinator status`. */
export const statusFlags = {
  data: serveFlags.data,
  watch: { help: "again every second, with rates, until Ctrl-C" },
} as const;

/** The options of `coordinator audit`. */
export const auditFlags = {
  data: serveFlags.data,
  since: { value: "TIME", help: "only from then on: 2h, 7d, or 2026-01-31 or 2026-01-31T12:00Z; all unless told" },
} as const;

export const userActions = ["add", "remove", "list", "passwd", "disable", "enable", "role", "limits"] as const;
export type UserAction = typeof userActions[number];

/** The options of `coordinator invite …`. */
export const inviteFlags = {
  data: serveFlags.data,
  role: { value: "ROLE", help: "what the account may do: member, readOnly or operator; member unless told" },
  expires: { value: "TIME", help: "how long the code is good, such as 12h or 30d; 7d unless told" },
  count: { value: "N", help: "how many codes; 1 unless told" },
  note: { value: "TEXT", help: "for whom it is; only the operator sees it" },
  address: { value: "HOST:PORT", help: "where peers find the coordinator: it becomes part of the code" },
} as const;

/** The options of `coordinator group …`. */
export const groupFlags = { data: serveFlags.data } as const;

export const groupActions = ["create", "delete", "add", "remove", "list"] as const;
export type GroupAction = typeof groupActions[number];

/** The options of `coordinator device …`. */
export const deviceFlags = { data: serveFlags.data } as const;

export const deviceActions = ["list", "revoke"] as const;
export type DeviceAction = typeof deviceActions[number];

export const inviteActions = ["create", "list", "revoke"] as const;
export type InviteAction = typeof inviteActions[number];

export interface ServeConfig {
  readonly listen: Endpoint;
  /** Absolute. */
  readonly dataFolder: string;
  /** Absolute. */
  readonly credentialsPath: string | undefined;
  readonly keepAliveMs: number;
  readonly openRegistration: boolean;
  readonly sharesPerAccount: number;
  readonly ratePerAccount: number;
  /** Undefined: nowhere. */
  readonly admin: Endpoint | undefined;
  /** Absolute; undefined: in the data folder. */
  readonly adminTokenPath: string | undefined;
  /** In lower case. */
  readonly adminNames: readonly string[];
  /** Names or addresses. */
  readonly peersGoTo: readonly HostPort[];
  /** Port 0: the one that it listens on. Undefined: peers are not told. */
  readonly advertise: HostPort | undefined;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
}

/** A host by name or address, and its port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What the world around the program says. */
export interface Surroundings {
  readonly env: (name: string) => string | undefined;
  /** Absolute. */
  readonly cwd: string;
}

type LaterOptions =
  | "shares-per-account"
  | "rate-per-account"
  | "log-level"
  | "admin"
  | "admin-token-file"
  | "admin-names"
  | "peers-go-to"
  | "advertise";
type TextValues<K extends string> = { readonly [name in K]: string | undefined };

/**
 * Reads what a coordinator is to run with.
 * @throws {UsageError} If a value cannot be.
 */
export function readServeConfig(
  port: string,
  values: TextValues<"data" | "credentials"> & Partial<TextValues<LaterOptions>> & {
    readonly host: string;
    readonly "keep-alive": string;
    readonly "log-format": string;
    readonly quiet: boolean;
    readonly verbose: boolean;
    readonly "open-registration"?: boolean;
  },
  around: Surroundings,
): ServeConfig {
  const format = logFormats.find((one) => one === values["log-format"]);
  if (format === undefined) {
    throw new UsageError(`Cannot log as "${values["log-format"]}": the formats are ${logFormats.join(" and ")}`);
  }
  return {
    listen: { ip: parseHost(values.host), port: parsePort(port) },
    dataFolder: dataFolder(values.data, around),
    credentialsPath: values.credentials === undefined ? undefined : absolute(values.credentials, around.cwd),
    keepAliveMs: parseKeepAlive(values["keep-alive"]),
    openRegistration: values["open-registration"] === true,
    sharesPerAccount: parseCount(values["shares-per-account"], "--shares-per-account", limits.sharesPerAccountMax),
    ratePerAccount: parseCount(values["rate-per-account"], "--rate-per-account", limits.accountRequestsPerSecond),
    admin: values.admin === undefined ? undefined : parseAdmin(values.admin),
    adminTokenPath: values["admin-token-file"] === undefined
      ? undefined
      : absolute(values["admin-token-file"], around.cwd),
    adminNames: parseList(values["admin-names"]).map((name) => name.toLowerCase()),
    peersGoTo: parsePeersGoTo(values["peers-go-to"]),
    advertise: values.advertise === undefined ? undefined : parseAdvertised(values.advertise),
    logFormat: format,
    logLevel: parseLevel(values),
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

const stay = {
  host: "listen",
  data: "dataFolder",
  advertise: "advertise",
  "keep-alive": "keepAliveMs",
  admin: "admin",
  "open-registration": "openRegistration",
  "shares-per-account": "sharesPerAccount",
  "rate-per-account": "ratePerAccount",
} as const;

/** The settings that differ and that a running coordinator keeps until it is started again, as their options are called. */
export function settingsThatStay(
  before: Omit<ServeConfig, "logFormat" | "logLevel">,
  after: Omit<ServeConfig, "logFormat" | "logLevel">,
): readonly string[] {
  const isSame = (name: keyof typeof before) => JSON.stringify(before[name]) === JSON.stringify(after[name]);
  return Object.entries(stay).flatMap(([option, name]) => isSame(name) ? [] : [`--${option}`]);
}

/** Makes a path absolute. */
export function absolute(path: string, cwd: string): string {
  return isAbsolute(path) ? path : join(cwd, path);
}

function parseLevel(values: {
  readonly "log-level"?: string | undefined;
  readonly quiet: boolean;
  readonly verbose: boolean;
}): LogLevel {
  const text = values["log-level"];
  const told = [text, values.quiet || undefined, values.verbose || undefined].filter((one) => one !== undefined);
  if (told.length > 1) throw new UsageError("Cannot log less and more at once: choose one of -q, -v, --log-level");
  if (text === undefined) return values.quiet ? "warning" : values.verbose ? "debug" : "info";
  const level = logLevels.find((one) => one === text);
  if (level !== undefined) return level;
  throw new UsageError(`Cannot log at "${text}": the levels are ${logLevels.join(", ")}`);
}

function parseAdmin(text: string): Endpoint {
  const [, host = "127.0.0.1", port] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined) {
    throw new UsageError(`Cannot be asked at "${text}": that is no address and port`, {
      hint: "Write --admin 9464, or --admin 10.0.0.1:9464",
    });
  }
  return { ip: parseHost(host), port: parsePort(port) };
}

function parseAdvertised(text: string): HostPort {
  const [, bracketed, bare, port = "0"] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? bare;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new UsageError(`Cannot advertise "${text}": that is no host and port`, {
    hint: "Write --advertise first.example.org:5000",
  });
}

function parsePeersGoTo(text: string | undefined): readonly HostPort[] {
  const places = parseList(text).map((one) => {
    const place = readHostPort(one);
    if (place !== undefined) return place;
    throw new UsageError(`Cannot send peers to "${one}": that is no host and port`, {
      hint: "Write --peers-go-to second.example.org:5000",
    });
  });
  if (places.length > 4) throw new UsageError(`Cannot send peers to ${places.length} coordinators: 4 is the most`);
  return places;
}

/** Reads `host:port` or `[IPv6]:port`; undefined if it is neither. */
export function readHostPort(text: string): HostPort | undefined {
  const [, bracketed, bare, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [bracketed ?? bare, Number(digits)];
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

function parseList(text: string | undefined): readonly string[] {
  return (text ?? "").split(",").map((one) => one.trim()).filter((one) => one !== "");
}

function parseCount(text: string | undefined, flag: string, unlessTold: number): number {
  if (text === undefined) return unlessTold;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= 1_000_000) return count;
  throw new UsageError(`Cannot start: ${flag} is a number from 1 to 1000000`);
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
