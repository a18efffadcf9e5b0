/** text_line_stream: text in any portions → lines. */

/**
 * Splits text into lines, each without its "\n" or "\r\n". What stands after the last one is a line too, unless it is
 * empty. A line has no bound: for streams that we trust.
 */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    const begun: string[] = [];
    super({
      transform(text, controller) {
        const lines = text.split("\n");
        const rest = lines.pop()!;
        for (const line of lines) {
          const whole = begun.splice(0).join("") + line;
          controller.enqueue(whole.endsWith("\r") ? whole.slice(0, -1) : whole);
        }
        if (rest !== "") begun.push(rest);
      },
      flush(controller) {
        if (begun.length > 0) controller.enqueue(begun.join(""));
      },
    });
  }
}
