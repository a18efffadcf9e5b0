import { assertEquals, assertThrows } from "@std/assert";
import { limits } from "../../lib/core/limits.ts";
import { decodeCbor, encodeCbor } from "../../lib/wire/cbor.ts";
import { contentList, encodeContentList } from "../../lib/wire/content_list.ts";
import { first, second } from "./samples.ts";

const read = (list: Uint8Array) => decodeCbor(encodeCbor(list), contentList);

Deno.test("a list of small contents is read as it was written, in its order, up to the limit", () => {
  const some = [{ id: second, bytes: 1 }, { id: first, bytes: limits.takenBytesMax }];
  const longest = Array.from({ length: limits.setMax }, (_, i) => some[i % 2]!);
  for (const contents of [some, some.toReversed(), longest]) {
    assertEquals(read(encodeContentList(contents)), { ok: true, value: contents });
  }
});

Deno.test("a list that is empty, too long, cut, or has contents that are not small is refused in both directions", () => {
  const content = { id: first, bytes: 1 };
  for (const bytes of [0, limits.takenBytesMax + 1]) {
    assertThrows(() => contentList.toCbor([{ id: first, bytes }]), RangeError);
    const list = encodeContentList([content]);
    new DataView(list.buffer).setUint32(32, bytes);
    assertEquals(read(list).ok, false);
  }
  assertThrows(() => contentList.toCbor([]), RangeError);
  assertThrows(() => contentList.toCbor(Array(limits.setMax + 1).fill(content)), RangeError);
  const list = encodeContentList(Array(2).fill(content));
  for (let size = 0; size < list.length; size++) assertEquals(read(list.subarray(0, size)).ok, size === 36, `${size}`);
  assertEquals(read(encodeContentList(Array(limits.setMax + 1).fill(content))).ok, false);
});
