/**
 * local_protocol: how a second command reaches the peer that owns the home: one JSON object a line over its local socket, one
 * question a connection. Laws: 1) the owner parses what comes as strictly as if it came from a stranger;  2) hanging up
 * interrupts the command, and what is verified is kept;  3) the two may be of different releases: questions, commands, fields and kinds
 * of events are only added; what the owner does not know it refuses with `version`, what the asker does not know it leaves out.  (pure)
 *
 *     → {"ask":"run","command":{…},"coordinator":"127.0.0.1:5000","account":"alice"}
 *                                     ← events, the last {"type":"end","exitCode":0}
 *     → {"ask":"notes"}               ← notes, until either side hangs up
 *     → {"ask":"names"}               ← {"names":[…]}
 */

import * as v from "valibot";
import { fail, ok, type Result } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { audienceKinds } from "../core/audience.ts";
import type { Command } from "./commands.ts";

const path = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(limits.nameBytesMax));
const password = v.pipe(v.string(), v.maxLength(limits.passwordBytesMax));
const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(limits.fileBytesMax));
const some = <T extends v.GenericSchema>(item: T) => v.pipe(v.array(item), v.minLength(1), v.maxLength(10_000));

const fetches = v.union([v.literal("all"), some(v.pipe(v.number(), v.safeInteger(), v.minValue(1)))]);
const priority = v.picklist(["high", "normal", "low"]);
const isTold = v.optional(v.literal(true));

const limitChange = v.object({
  direction: v.picklist(["up", "down"]),
  bytesPerSecond: v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  number: v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
});

const audienceMember = v.object({ kind: v.picklist(audienceKinds), name });
const count = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const names = v.optional(v.pipe(v.array(name), v.maxLength(limits.filterNamesMax)));
const wanted = v.object({
  terms: v.pipe(
    v.array(v.object({ mode: v.picklist(["substring", "glob"]), pattern: name })),
    v.maxLength(limits.searchTermsMax),
  ),
  minBytes: count,
  maxBytes: count,
  extensions: names,
  youngerMs: count,
  olderMs: count,
  accounts: names,
  groups: names,
});

const command = v.variant("command", [
  v.object({ command: v.literal("peers") }),
  v.object({ command: v.literal("myfiles") }),
  v.object({
    command: v.literal("share"),
    paths: some(path),
    audience: v.optional(v.nullable(v.pipe(v.array(audienceMember), v.maxLength(limits.audienceMembersMax)))),
    description: v.optional(v.pipe(v.string(), v.maxBytes(limits.descriptionBytesMax))),
  }),
  v.object({ command: v.literal("serve") }),
  v.object({
    command: v.literal("find"),
    wanted,
    order: v.optional(v.object({ by: v.picklist(["name", "size", "age", "holders"]), descending: v.boolean() })),
    offline: isTold,
    limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  }),
  v.object({
    command: v.literal("watch"),
    change: v.nullable(v.union([
      v.object({ kind: v.literal("add"), wanted, words: v.pipe(v.array(name), v.maxLength(64)) }),
      v.object({ kind: v.literal("remove"), watches: fetches }),
    ])),
  }),
  v.object({ command: v.literal("remove"), names: some(name) }),
  v.object({
    command: v.literal("fetch"),
    targets: some(v.union([v.object({ pattern: name }), v.object({ file: v.object({ name, id, bytes }) })])),
    folder: path,
    onExists: v.picklist(["refuse", "overwrite", "rename"]),
    timeoutMs: v.pipe(v.number(), v.minValue(1)),
    timeoutTold: isTold,
    inBackground: isTold,
    priority: v.optional(priority),
    sync: v.boolean(),
  }),
  v.object({ command: v.literal("status") }),
  v.object({ command: v.literal("transfers"), watch: isTold }),
  v.object({ command: v.literal("limit"), change: v.nullable(limitChange) }),
  v.object({ command: v.literal("pause"), fetches }),
  v.object({ command: v.literal("resume"), fetches }),
  v.object({ command: v.literal("cancel"), fetches }),
  v.object({ command: v.literal("priority"), fetches, priority }),
  v.object({ command: v.literal("receipts"), name: v.nullable(name) }),
  v.object({ command: v.literal("verify"), path, word: v.optional(path), byReceipt: isTold }),
  v.object({ command: v.literal("fingerprint"), account: v.nullable(name) }),
  v.object({ command: v.literal("trust"), account: name }),
  v.object({ command: v.literal("devices"), revoke: v.nullable(name) }),
  v.object({ command: v.literal("logout") }),
  v.object({ command: v.literal("passwd"), oldPassword: password, newPassword: password, everywhere: v.boolean() }),
  v.object({ command: v.literal("quit") }),
]);

const question = v.variant("ask", [
  v.object({
    ask: v.literal("run"),
    command,
    coordinator: v.pipe(v.string(), v.maxLength(64)),
    account: v.nullable(name),
  }),
  v.object({ ask: v.literal("notes") }),
  v.object({ ask: v.literal("names") }),
]);

export type LocalQuestion =
  | {
    readonly ask: "run";
    readonly command: Command;
    /** The coordinator that is meant, as a numeric endpoint. */
    readonly coordinator: string;
    /** The account that is meant, if one was named. */
    readonly account: string | null;
  }
  | { readonly ask: "notes" }
  | { readonly ask: "names" };

/** Reads a question. `unknown`: a question or a command that is none of ours, as newer programs have; `illegal`: a wrong field. */
export function parseQuestion(line: string): Result<LocalQuestion, "unknown" | "illegal"> {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return fail("illegal");
  }
  const parsed = v.safeParse(question, json);
  if (parsed.success) return ok(parsed.output);
  return fail(parsed.issues.some(({ type }) => type === "variant") ? "unknown" : "illegal");
}

/** Writes a question as one line. */
export function formatQuestion(value: LocalQuestion): string {
  return JSON.stringify(value);
}
