/**
 * news_text: news as the database carries them between coordinators: `[1, instance, news]` in JSON. Laws: 1) a text fits PostgreSQL's
 * payload: what is longer becomes several;  2) what is not legal, or of a later release, is passed over;  3) its writer was let into the
 * database: nothing here is signed.  Why: docs/adr/0026-coordinators-tell-each-other.md  (pure)
 */

import { Buffer } from "node:buffer";
import * as v from "valibot";
import type { ContentId, DeviceId } from "../core/ids.ts";
import { type ErrorCode, errorCodes } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { audienceKinds } from "../core/audience.ts";
import { roles } from "../wire/message.ts";
import type { News } from "./role/news.ts";

/** PostgreSQL takes less than 8,000 bytes. */
const textBytesMax = 7_900;
const format = 1;

const row = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hexId = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const contentId = v.custom<ContentId>((value) => v.is(hexId, value));
const deviceId = v.custom<DeviceId>((value) => v.is(hexId, value));
const account = v.pipe(v.string(), v.maxBytes(limits.accountBytesMax));
const content = v.object({ id: contentId, bytes: number });
const code = v.custom<ErrorCode>((value) => typeof value === "string" && Object.hasOwn(errorCodes, value));
const entry = v.object({
  name: v.pipe(v.string(), v.maxBytes(limits.nameBytesMax)),
  id: contentId,
  bytes: number,
  audience: v.nullable(v.array(v.object({ kind: v.picklist(audienceKinds), name: account }))),
  description: v.pipe(v.string(), v.maxBytes(limits.descriptionBytesMax)),
});

const news = v.variant("kind", [
  v.object({ kind: v.literal("here"), watches: v.boolean(), asks: v.boolean() }),
  v.object({ kind: v.literal("gap") }),
  v.object({ kind: v.literal("accountChanged"), account, code }),
  v.object({ kind: v.literal("rightsLost"), accounts: v.array(account) }),
  v.object({
    kind: v.literal("standingChanged"),
    account,
    role: v.picklist(roles),
    rate: v.nullable(v.pipe(v.number(), v.minValue(0))),
  }),
  v.object({ kind: v.literal("deviceRevoked"), device: row }),
  v.object({ kind: v.literal("othersEnded"), account, device: row }),
  v.object({ kind: v.literal("loggedIn"), device: row, atMs: number }),
  v.object({ kind: v.literal("left"), device: row }),
  v.object({ kind: v.literal("listChanged"), device: row, shareDigest: hexId, ended: v.array(content) }),
  v.object({ kind: v.literal("revoked"), holder: row, devices: v.array(deviceId) }),
  v.object({ kind: v.literal("audienceChanged"), holder: row, shares: v.array(row) }),
  v.object({ kind: v.literal("shared"), device: row, account, shares: v.array(v.object({ entry, share: row })) }),
  v.object({ kind: v.literal("reported"), account, holder: deviceId, content }),
]);
const whole = v.tuple([v.literal(format), row, news]);

/** News that were read, and who told them. */
export interface HeardNews {
  readonly from: number;
  readonly news: News;
}

/** Formats news as one text, or as several that say the same together. */
export function formatNews(from: number, told: News): readonly string[] {
  const text = JSON.stringify([format, from, told]);
  if (Buffer.byteLength(text) <= textBytesMax) return [text];
  return halvesOf(told).flatMap((half) => formatNews(from, half));
}

/** Reads a text; undefined where it is not ours to understand. */
export function parseNews(text: string): HeardNews | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = v.safeParse(whole, parsed);
  return read.success ? { from: read.output[1], news: read.output[2] } : undefined;
}

function halvesOf(told: News): readonly News[] {
  switch (told.kind) {
    case "rightsLost":
      return split(told.accounts).map((accounts) => ({ ...told, accounts }));
    case "listChanged":
      return split(told.ended).map((ended) => ({ ...told, ended }));
    case "revoked":
      return split(told.devices).map((devices) => ({ ...told, devices }));
    case "audienceChanged":
      return split(told.shares).map((shares) => ({ ...told, shares }));
    case "shared":
      return split(told.shares).map((shares) => ({ ...told, shares }));
  }
  throw new RangeError(`${told.kind} is too long`);
}

function split<T>(list: readonly T[]): readonly (readonly T[])[] {
  if (list.length < 2) throw new RangeError("one entry is too long");
  const middle = Math.ceil(list.length / 2);
  return [list.slice(0, middle), list.slice(middle)];
}
