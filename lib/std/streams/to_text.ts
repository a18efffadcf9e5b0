/** to_text: a whole stream as text. */

/** Reads a stream to its end and returns it as text, bytes taken as UTF-8. Bounded only by the stream. */
export async function toText(stream: ReadableStream<string> | ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of stream as ReadableStream<string | Uint8Array>) {
    text += typeof part === "string" ? part : decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}
