/** streams: what tests and programs need of @std/streams. */

export * from "./text_line_stream.ts";
export * from "./to_array_buffer.ts";
export * from "./to_json.ts";
export * from "./to_text.ts";
