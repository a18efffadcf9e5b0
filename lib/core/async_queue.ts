/**
 * async_queue: hands values from whoever has them to one reader that awaits them, in order. Laws: 1) pushing never waits;
 * 2) after `close` the reader gets what is left, then the end.  (pure)
 */

export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #values: T[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  /** Adds a value; after `close` it is dropped. */
  push(value: T): void {
    if (this.#closed) return;
    this.#values.push(value);
    this.#wake?.();
  }

  /** No more values come. Safe to call twice. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** The next value; undefined at the end. */
  async next(): Promise<T | undefined> {
    while (this.#values.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    return this.#values.shift();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (let value = await this.next(); value !== undefined; value = await this.next()) yield value;
  }
}
