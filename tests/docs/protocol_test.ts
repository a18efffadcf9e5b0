/** PROTOCOL.md says what the code does: codes, sizes, limits, field counts, key labels, and the sections that code refers to. */

import { assert, assertEquals } from "@std/assert";
import { errorCodes } from "../../lib/core/errors.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { pieceBytesFor } from "../../lib/content/merkle.ts";
import { signingKeyFrom, verifyContext } from "../../lib/session/device_key.ts";
import { deriveSessionKeys } from "../../lib/session/handshake_keys.ts";
import { proveAuth, proveStart, proveTransfer, signDevice } from "../../lib/session/proofs.ts";
import { encodeCbor } from "../../lib/wire/cbor.ts";
import {
  deviceStartHeader,
  encodeCookie,
  encodeDeviceReply,
  encodeDeviceStart,
  encodeHello,
  encodeRefused,
  encodeReply,
  encodeReset,
  encodeStart,
  encodeVersions,
  envelopeKinds,
  envelopeSizes,
  sealedPayloadBytesMax,
} from "../../lib/wire/envelope.ts";
import { frameBytesLimit, frameTypes } from "../../lib/wire/frame.ts";
import { decodeMessage, messageCodes, requestAnswers } from "../../lib/wire/message.ts";
import { hkdfSync } from "node:crypto";

const root = new URL("../../", import.meta.url);
const text = await Deno.readTextFile(new URL("PROTOCOL.md", root));
const lines = text.split("\n");

/** The lines of a section, from its heading to the next one of the same or a higher level. */
function section(heading: string): string[] {
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  assert(start >= 0, `PROTOCOL.md has no section ${JSON.stringify(heading)}`);
  const level = lines[start]!.indexOf(" ");
  let isCode = false;
  const end = lines.findIndex((line, at) => {
    if (at <= start) return false;
    if (line.startsWith("```")) isCode = !isCode;
    return !isCode && /^#+ /.test(line) && line.indexOf(" ") <= level;
  });
  return lines.slice(start + 1, end < 0 ? undefined : end);
}

/** The cells of every table row of a section, heads and rules left out. */
function rows(heading: string): string[][] {
  return section(heading)
    .filter((line, at, all) => line.startsWith("|") && !/^\| -/.test(line) && !/^\| -/.test(all[at + 1] ?? ""))
    .map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim()));
}

/** A number as documents write it. */
function written(value: number): string {
  return value.toLocaleString("en-US");
}

/** `listPeers` → `LIST_PEERS`. */
function shouted(kind: string): string {
  return kind.replace(/[A-Z]/g, "_$&").toUpperCase();
}

Deno.test("every section of PROTOCOL.md and SECURITY.md that code names is there", async () => {
  const headingsOf = (page: string) =>
    page.split("\n").filter((line) => /^#+ /.test(line)).map((line) => line.replace(/^#+ /, ""));
  const headings: Readonly<Record<string, readonly string[]>> = {
    PROTOCOL: headingsOf(text),
    SECURITY: headingsOf(await Deno.readTextFile(new URL("SECURITY.md", root))),
  };
  const missing: string[] = [];
  const walk = async (folder: URL) => {
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isDirectory) await walk(new URL(`${entry.name}/`, folder));
      else if (entry.name.endsWith(".ts")) {
        const code = (await Deno.readTextFile(new URL(entry.name, folder))).replace(/\n \* */g, " ");
        for (const [, page, names] of code.matchAll(/(PROTOCOL|SECURITY)\.md ((?:"[^"]+"(?:,? (?:and )?)?)+)/g)) {
          for (const [, name] of names!.matchAll(/"([^"]+)"/g)) {
            if (!headings[page!]!.includes(name!)) missing.push(`${entry.name}: ${page} ${name}`);
          }
        }
      }
    }
  };
  await walk(new URL("lib/", root));
  assertEquals(missing, []);
});

Deno.test("the limits table of PROTOCOL.md is lib/core/limits.ts", () => {
  const table = rows("Limits").map(([name, value]) => `| ${name} | ${value} |`);
  const code = Object.entries(limits).map(([name, value]) => `| \`${name}\` | ${written(value)} |`);
  assertEquals(code.filter((row) => !table.includes(row)), [], "rows to add");
  assertEquals(table.filter((row) => !code.includes(row)), [], "rows to remove");
});

Deno.test("the error codes of PROTOCOL.md are those of lib/core/errors.ts", () => {
  const table = rows("Error codes").map(([wire, code, exit, retry]) => [wire, code, exit, retry]);
  const code = Object.entries(errorCodes).map(([name, row]) => [
    String(row.wire),
    `\`${name}\``,
    String(row.exit),
    row.retryable ? "yes" : "no",
  ]);
  assertEquals(table, code);
});

Deno.test("the messages of PROTOCOL.md have the code's codes and answers", () => {
  const table = rows("Control messages").map(([code, message, , answer]) => [Number(code), message, answer]);
  const answers: Readonly<Record<string, string>> = {
    ...requestAnswers,
    revoke: "done",
    found: "done",
    pathChallenge: "pathResponse",
  };
  const code = [...messageCodes].map(([number, kind]) => [number, shouted(kind), shouted(answers[kind] ?? "–")]);
  assertEquals(table, code);
});

/** The rules of all CDDL blocks by name, each on one line, without comments. */
function cddl(): Map<string, string> {
  const blocks = [...text.matchAll(/```cddl\n(.*?)```/gs)].map(([, block]) => block!.replace(/;.*$/gm, ""));
  const rules = new Map<string, string>();
  for (const [, name, rule] of blocks.join("\n").matchAll(/^([a-z][a-z0-9-]*)\s*=\s*(.*?)(?=^[a-z]|$(?![\s\S]))/gms)) {
    assert(!rules.has(name!), `${name} has two rules`);
    rules.set(name!, rule!.replace(/\s+/g, " ").trim());
  }
  return rules;
}

/** How many items an array rule has, groups spread. */
function itemCount(rule: string, rules: ReadonlyMap<string, string>): number {
  let depth = 0;
  const items = [""];
  for (const character of rule.slice(1, -1)) {
    if ("[(".includes(character)) depth++;
    if ("])".includes(character)) depth--;
    if (character === "," && depth === 0) items.push("");
    else items[items.length - 1] += character;
  }
  return items.reduce((sum, item) => {
    const group = rules.get(item.trim());
    return sum + (group?.startsWith("(") ? itemCount(group, rules) : 1);
  }, 0);
}

const deviceStart = encodeDeviceStart(
  deviceStartHeader(new Uint8Array(envelopeSizes.nonce), new Uint8Array(envelopeSizes.cookie)),
  new Uint8Array(envelopeSizes.deviceStart),
);

/** Long enough for any record inside a message, so that "too few fields" means the message itself; legal for no field. */
const filling = Array(20).fill(Array(20).fill(null));

/** How many items a payload of this code must have at least. */
function itemsNeeded(code: number): number {
  for (let count = 2; count < 40; count++) {
    const decoded = decodeMessage(encodeCbor([code, 1, ...Array(count - 2).fill(filling)]));
    if (decoded.ok || decoded.error !== "too few fields") return count;
  }
  throw new Error(`No number of fields is enough for message ${code}`);
}

Deno.test("the CDDL of each message has its code and its number of fields", () => {
  const rules = cddl();
  for (const [code, kind] of messageCodes) {
    const rule = rules.get(kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    assert(rule !== undefined, `${kind} has no rule`);
    assert(rule.startsWith(`[${code}, transaction`), `${kind}: ${rule}`);
    assertEquals(itemCount(rule, rules), itemsNeeded(code), kind);
  }
});

Deno.test("the CDDL names no rule that is not there", () => {
  const rules = cddl();
  const known = new Set([...rules.keys(), "bstr", "tstr", "bool", "null", "true", "false", "uint"]);
  for (const [name, rule] of rules) {
    // Choices of words, labels of fields, control operators and numbers are no rules.
    const uses = rule.replace(/^&\(.*\)$/, "").replace(/\b[A-Za-z0-9]+:/g, "").replace(/\.[a-z]+/g, "").matchAll(
      /[a-z][a-z0-9-]*/g,
    );
    for (const [use] of uses) assert(known.has(use), `${name} uses ${use}`);
  }
});

Deno.test("the envelopes of PROTOCOL.md have the code's kinds and lengths", () => {
  const nonce = new Uint8Array(envelopeSizes.nonce);
  const length = {
    hello: written(encodeHello(nonce).length),
    cookie: written(encodeCookie(nonce, new Uint8Array(envelopeSizes.cookie)).length),
    start: written(limits.datagramBytesMax),
    reply: written(encodeReply(nonce, 0n, new Uint8Array(envelopeSizes.ke2)).length),
    refused: written(encodeRefused(nonce, 0, 0).length),
    finish: `${envelopeSizes.finishHeader + envelopeSizes.tag + 1} … ${written(limits.datagramBytesMax)}`,
    sealed: `${envelopeSizes.sealedHeader + envelopeSizes.tag + 1} … ${written(limits.datagramBytesMax)}`,
    reset: written(encodeReset(0n, new Uint8Array(envelopeSizes.resetToken)).length),
    deviceStart: written(deviceStart.length),
    deviceReply: written(encodeDeviceReply(nonce, new Uint8Array(envelopeSizes.deviceReply)).length),
  };
  const code = Object.entries(envelopeKinds).map(([kind, number]) => [
    String(number),
    shouted(kind),
    length[kind as keyof typeof length],
  ]);
  assertEquals(
    rows("Envelope").slice(0, -1).map(([number, name, , , bytes]) => [number, name, bytes]),
    code,
  );
  const finishMax = limits.datagramBytesMax - envelopeSizes.finishHeader - envelopeSizes.tag;
  assert(section("Control messages").join(" ").includes(`at most ${written(sealedPayloadBytesMax)} bytes`));
  assert(section("Control messages").join(" ").includes(`in FINISH at most ${written(finishMax)}`));
});

Deno.test("the amplification table of PROTOCOL.md holds, and no answer is larger than its request", () => {
  const nonce = new Uint8Array(envelopeSizes.nonce);
  const cookie = new Uint8Array(envelopeSizes.cookie);
  const start = encodeStart(nonce, cookie, { account: "a", ke1: new Uint8Array(envelopeSizes.ke1), device: null });
  const sizes: Readonly<Record<string, number>> = {
    HELLO: encodeHello(nonce).length,
    START: start.length,
    COOKIE: encodeCookie(nonce, cookie).length,
    REPLY: encodeReply(nonce, 0n, new Uint8Array(envelopeSizes.ke2)).length,
    REFUSED: encodeRefused(nonce, 0, 0).length,
    RESET: encodeReset(0n, new Uint8Array(envelopeSizes.resetToken)).length,
    VERSIONS: encodeVersions().length,
    "another version": limits.datagramBytesMin,
    DEVICE_START: deviceStart.length,
    DEVICE_REPLY: encodeDeviceReply(nonce, new Uint8Array(envelopeSizes.deviceReply)).length,
    SEALED: envelopeSizes.sealedHeader + envelopeSizes.tag + 1,
    FINISH: envelopeSizes.finishHeader + envelopeSizes.tag + 1,
  };
  const table = rows("Before an address is proven");
  assert(table.length > 0);
  for (const [request, requestBytes, answer, answerBytes] of table) {
    if (requestBytes === "–") {
      assertEquals(answer, "–", request);
      continue;
    }
    for (const one of request!.split(", ")) {
      assertEquals(Number(requestBytes!.replace(",", "")), sizes[one], `size of ${one}`);
      if (answer === "–") continue;
      assertEquals(Number(answerBytes), sizes[answer!], `size of ${answer}`);
      assert(sizes[answer!]! <= sizes[one]!, `${answer} amplifies ${one}`);
    }
  }
});

Deno.test("the frames of PROTOCOL.md have the code's types and limits", () => {
  assertEquals(
    rows("Frames").map(([type, name, , , bytes]) => [type, name, bytes]),
    Object.entries(frameTypes).map(([name, type]) => [String(type), shouted(name), written(frameBytesLimit(type))]),
  );
});

Deno.test("the piece sizes of PROTOCOL.md are what the code chooses", () => {
  const table = rows("Content ids and pieces");
  assert(table.length > 0);
  for (const [size, piece] of table) {
    const bytes = Number(size!.replace(/ \(.*/, "").replaceAll(",", ""));
    const pieceBytes = Number(piece!.replaceAll(",", ""));
    assertEquals(pieceBytesFor(bytes), pieceBytes);
    if (bytes < limits.fileBytesMax && pieceBytes < limits.pieceBytesMax) {
      assertEquals(pieceBytesFor(bytes + 1), 2 * pieceBytes);
    }
  }
});

Deno.test("the contexts of PROTOCOL.md are what the code signs", () => {
  const key = signingKeyFrom(new Uint8Array(32).fill(7));
  const deviceId = deviceIdFrom(key.publicKey);
  const one = new Uint8Array([1]);
  const two = new Uint8Array([2, 2]);
  const three = new Uint8Array([3, 3, 3]);
  const account = new TextEncoder().encode("ada");
  const signed = [
    { signature: proveStart(key, one, "ada", two), parts: [one, account, two] },
    { signature: proveAuth(key, one, two), parts: [one, two] },
    { signature: signDevice(key, "ada", deviceId), parts: [account, key.publicKey] },
    { signature: proveTransfer(key, one, two, three), parts: [one, two, three] },
  ];
  const contexts = rows("Signatures").map(([context]) => context!.replaceAll("`", ""));
  assertEquals(contexts.length, signed.length);
  for (const [at, context] of contexts.entries()) {
    const { signature, parts } = signed[at]!;
    assert(verifyContext(key.publicKey, signature, context, ...parts), context);
  }
});

Deno.test("the session keys of PROTOCOL.md are what the code derives", () => {
  const sessionKey = new Uint8Array(64).fill(1);
  const transcript = new Uint8Array(32).fill(2);
  const derived = rows("Login").map(([, info]) =>
    new Uint8Array(hkdfSync("sha256", sessionKey, transcript, info!.replaceAll("`", ""), 32))
  );
  const { toCoordinator, toPeer } = deriveSessionKeys(sessionKey, transcript);
  assertEquals(derived.slice(0, 2), [toCoordinator, toPeer]);
});
