import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import {
  hashSet,
  openSetTicket,
  openTicket,
  sealSetTicket,
  sealTicket,
  ticketDay,
  ticketKeyFor,
  ticketKeysFor,
} from "../../lib/session/ticket.ts";
import {
  decodeSetTicket,
  decodeTicket,
  encodeSetTicket,
  encodeTicket,
  type SetTicket,
  type Ticket,
} from "../../lib/wire/ticket.ts";
import { loadVectors } from "../vectors/load.ts";
import { accountKey, deviceId, first, second, sequence } from "../wire/samples.ts";

const vectors = loadVectors("session.txt");
const root = new Uint8Array(32).fill(9);
const day = 21_915;
const dayMs = 86_400_000;
const fetcher = deviceIdFrom(accountKey.publicKey);
const ticket: Ticket = {
  account: "ada",
  deviceId: fetcher,
  id: first,
  bytes: 1000,
  share: 77,
  expiresAtMs: 1_893_499_800_000,
};
const key = ticketKeyFor(root, day, deviceId);
const sealed = sealTicket(key, day, sequence(0xc0, 12), ticket);

Deno.test("a ticket is its vector in both directions, and so is its key", () => {
  assertEquals(key, vectors.get("ticket key")!);
  assertEquals(encodeTicket(ticket), vectors.get("ticket body")!);
  assertEquals(decodeTicket(vectors.get("ticket body")!), { ok: true, value: ticket });
  assertEquals(sealed, vectors.get("ticket")!);
  assertEquals(openTicket([{ day, key }], vectors.get("ticket")!), { ok: true, value: ticket });
});

Deno.test("a ticket opens at its holder alone", () => {
  const other = ticketKeyFor(root, day, fetcher);
  assertEquals(openTicket([{ day, key: other }], sealed).ok, false);
  assertEquals(openTicket([{ day, key: ticketKeyFor(root.with(0, 1), day, deviceId) }], sealed).ok, false);
  assertEquals(openTicket([], sealed).ok, false);
});

Deno.test("a ticket opens from the day before it was sealed to the day after, and on no other day", () => {
  const opensOn = (offset: number) => openTicket(ticketKeysFor(root, (day + offset) * dayMs + 5, deviceId), sealed).ok;
  assertEquals([-3, -2, -1, 0, 1, 2, 3].map(opensOn), [false, false, true, true, true, false, false]);
  assertEquals([ticketDay(day * dayMs - 1), ticketDay(day * dayMs)], [day - 1, day]);
});

Deno.test("a ticket with any bit changed, cut or lengthened does not open", () => {
  const keys = ticketKeysFor(root, day * dayMs, deviceId);
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = sealed.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(openTicket(keys, changed).ok, false, `bit ${bit}`);
  }
  for (let size = 0; size < sealed.length; size++) assertEquals(openTicket(keys, sealed.subarray(0, size)).ok, false);
  assertEquals(openTicket(keys, new Uint8Array([...sealed, 0])).ok, false);
});

Deno.test("the largest ticket is within its limit", () => {
  const largest = sealTicket(key, 0xffff_ffff, new Uint8Array(12), {
    account: "a".repeat(limits.accountBytesMax),
    deviceId: fetcher,
    id: first,
    bytes: limits.fileBytesMax,
    share: Number.MAX_SAFE_INTEGER,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  });
  assertLessOrEqual(largest.length, limits.ticketBytesMax);
  assert(openTicket([{ day: 0xffff_ffff, key }], largest).ok);
});

const contents = [{ id: first, bytes: 1000 }, { id: second, bytes: limits.takenBytesMax }];
const setTicket: SetTicket = {
  account: "ada",
  deviceId: fetcher,
  setHash: hashSet(contents),
  expiresAtMs: 1_893_499_800_000,
};
const sealedSet = sealSetTicket(key, day, sequence(0xd0, 12), setTicket);

Deno.test("a ticket for a set is its vector in both directions", () => {
  assertEquals(encodeSetTicket(setTicket), vectors.get("set ticket body")!);
  assertEquals(decodeSetTicket(vectors.get("set ticket body")!), { ok: true, value: setTicket });
  assertEquals(sealedSet, vectors.get("set ticket")!);
  assertEquals(openSetTicket([{ day, key }], vectors.get("set ticket")!), { ok: true, value: setTicket });
});

Deno.test("a ticket for a content never opens as one for a set, nor the other way round, nor any with a bit changed", () => {
  const keys = ticketKeysFor(root, day * dayMs, deviceId);
  assertEquals([openSetTicket(keys, sealed).ok, openTicket(keys, sealedSet).ok], [false, false]);
  for (let bit = 0; bit < sealedSet.length * 8; bit++) {
    const changed = sealedSet.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(openSetTicket(keys, changed).ok, false, `bit ${bit}`);
  }
  const elsewhere = ticketKeyFor(root, day, fetcher);
  assertEquals(openSetTicket([{ day, key: elsewhere }], sealedSet).ok, false);
});

Deno.test("the hash of a set tells apart other contents, other sizes, another order, and fewer", () => {
  const [one, two] = contents;
  const sets = [contents, [two!, one!], [one!], [two!], [one!, { ...two!, bytes: 1 }], [one!, two!, two!]];
  assertEquals(new Set(sets.map((set) => hashSet(set).join())).size, sets.length);
});

Deno.test("the largest ticket for a set is within its limit", () => {
  const largest = sealSetTicket(key, 0xffff_ffff, new Uint8Array(12), {
    ...setTicket,
    account: "a".repeat(limits.accountBytesMax),
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  });
  assertLessOrEqual(largest.length, limits.ticketBytesMax);
  assert(openSetTicket([{ day: 0xffff_ffff, key }], largest).ok);
});
