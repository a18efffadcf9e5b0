/**
 * fair_table: entries in the order of their arrival, up to a number. Law: a full table loses the oldest entry of whichever group has
 * most, so a flood pushes out itself first.  (pure)
 */

export class FairTable<T extends { readonly key: string }> {
  readonly #capacity: number;
  readonly #groupOf: (entry: T) => string;
  readonly #entries = new Map<string, T>();
  readonly #counts = new Map<string, number>();

  constructor(capacity: number, groupOf: (entry: T) => string) {
    this.#capacity = capacity;
    this.#groupOf = groupOf;
  }

  get oldest(): T | undefined {
    for (const entry of this.#entries.values()) return entry;
    return undefined;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  /** Adds one; returns the one that had to go for it. */
  add(entry: T): T | undefined {
    const evicted = this.#entries.size >= this.#capacity ? this.#oldestOfTheLargestGroup() : undefined;
    if (evicted !== undefined) this.delete(evicted);
    this.#entries.set(entry.key, entry);
    const group = this.#groupOf(entry);
    this.#counts.set(group, (this.#counts.get(group) ?? 0) + 1);
    return evicted;
  }

  delete(entry: T): void {
    if (this.#entries.get(entry.key) !== entry) return;
    this.#entries.delete(entry.key);
    const group = this.#groupOf(entry);
    const count = this.#counts.get(group)! - 1;
    if (count === 0) this.#counts.delete(group);
    else this.#counts.set(group, count);
  }

  #oldestOfTheLargestGroup(): T | undefined {
    let largest = "";
    let most = 0;
    for (const [group, count] of this.#counts) if (count > most) [largest, most] = [group, count];
    for (const entry of this.#entries.values()) if (this.#groupOf(entry) === largest) return entry;
    return undefined;
  }
}
