/** to_array_buffer: a whole stream as bytes. */

/** Reads a stream to its end and returns its bytes. Bounded only by the stream. */
export function toArrayBuffer(readableStream: ReadableStream<Uint8Array>): Promise<ArrayBuffer> {
  return new Response(readableStream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer();
}
