import { assertEquals, assertRejects } from "@std/assert";
import { TextLineStream, toArrayBuffer, toJson, toText } from "@std/streams";

function lines(...portions: string[]): Promise<string[]> {
  return Array.fromAsync(ReadableStream.from(portions).pipeThrough(new TextLineStream()));
}

Deno.test("TextLineStream splits at line feeds, however the text is cut", async () => {
  const text = "one\ntwo\r\n\n\r\nthree\rfour\nlast";
  const expected = ["one", "two", "", "", "three\rfour", "last"];
  for (let size = 1; size <= text.length; size++) {
    const portions = text.match(new RegExp(`[^]{1,${size}}`, "g"))!;
    assertEquals(await lines(...portions), expected, `portions of ${size}`);
  }
});

Deno.test("TextLineStream gives no line for nothing, and keeps an unfinished one", async () => {
  assertEquals(await lines(), []);
  assertEquals(await lines("", ""), []);
  assertEquals(await lines("a\n"), ["a"]);
  assertEquals(await lines("a", "", "\r"), ["a\r"]);
});

Deno.test("toText() and toArrayBuffer() read a stream to its end, characters cut in two as well", async () => {
  const bytes = new TextEncoder().encode("grün €");
  const portions = () => ReadableStream.from([...bytes].map((byte) => Uint8Array.of(byte)));
  assertEquals(await toText(portions()), "grün €");
  assertEquals(new Uint8Array(await toArrayBuffer(portions())), bytes);
  assertEquals(await toText(ReadableStream.from(["a", "b"])), "ab");
});

Deno.test("toJson() parses what it read, and rejects what is no JSON", async () => {
  assertEquals(await toJson(ReadableStream.from(['{"a"', ":1}"])), { a: 1 });
  await assertRejects(() => toJson(ReadableStream.from(["{"])), SyntaxError);
});
