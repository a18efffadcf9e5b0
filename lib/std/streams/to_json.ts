/** to_json: a whole stream as one JSON value. */

import { toText } from "./to_text.ts";

/**
 * Reads a stream to its end and parses it as JSON.
 *
 * @throws {SyntaxError} If it is not JSON.
 */
export async function toJson(stream: ReadableStream<string> | ReadableStream<Uint8Array>): Promise<unknown> {
  return JSON.parse(await toText(stream));
}
