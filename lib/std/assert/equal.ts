/**
 * equal: the deep equality that assertions mean. Laws: 1) the same prototype, except that an object without one equals a
 * plain object; 2) an absent key differs from one that holds undefined; 3) 0 equals -0 and NaN equals NaN; 4) what a class
 * shows by its getters counts; 5) cycles end.  (pure)
 */

/**
 * Tells whether two values are deeply equal.
 *
 * @throws {TypeError} If a WeakMap or WeakSet is met: nobody can look into one.
 */
export function equal(a: unknown, b: unknown): boolean {
  return deepEqual(a, b, new Map());
}

/** Pairs under comparison, so that a cycle meets itself as equal. */
type Seen = Map<object, object>;

const textual: readonly unknown[] = [RegExp, URL, URLSearchParams, Intl.Locale].map((type) => type.prototype);

function deepEqual(a: unknown, b: unknown, seen: Seen): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || !samePrototype(a, b)) return false;
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError(`Cannot compare ${a instanceof WeakMap ? "WeakMap" : "WeakSet"} instances`);
  }
  if (a instanceof WeakRef && b instanceof WeakRef) return deepEqual(a.deref(), b.deref(), seen);
  const bytesA = numbersOf(a);
  const bytesB = numbersOf(b);
  if (bytesA && bytesB) {
    return bytesA.length === bytesB.length && bytesA.every((value, at) => value === bytesB[at] || value !== value);
  }
  if (seen.get(a) === b) return true;
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  seen.set(a, b);
  if (a instanceof Set && b instanceof Set) return equalSets(a, b, seen);
  if (a instanceof Map && b instanceof Map) return equalMaps(a, b, seen);
  if (textual.includes(Object.getPrototypeOf(a))) return String(a) === String(b);
  for (const key of new Set([...keysOf(a), ...keysOf(b)])) {
    if (!(key in a) || !(key in b)) return false;
    if (!deepEqual(Reflect.get(a, key), Reflect.get(b, key), seen)) return false;
  }
  return true;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function samePrototype(a: object, b: object): boolean {
  return (Object.getPrototypeOf(a) ?? Object.prototype) === (Object.getPrototypeOf(b) ?? Object.prototype);
}

/** The elements of a buffer or typed array; undefined for anything else. */
function numbersOf(value: object): { length: number; every: Uint8Array["every"]; [at: number]: unknown } | undefined {
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? value as Uint8Array : undefined;
}

/** Own keys, and those of the classes up to Object or Array, so that getters are compared too. */
function keysOf(value: object): Set<PropertyKey> {
  const keys = new Set<PropertyKey>();
  const plain = [null, Object.prototype, Array.prototype];
  for (let level: object | null = value; !plain.includes(level); level = Object.getPrototypeOf(level)) {
    for (const key of Reflect.ownKeys(level!)) keys.add(key);
  }
  return keys;
}

function equalSets(a: ReadonlySet<unknown>, b: ReadonlySet<unknown>, seen: Seen): boolean {
  if (a.size !== b.size) return false;
  return [...a].every((value) =>
    b.has(value) || isObject(value) && [...b].some((other) => deepEqual(value, other, seen))
  );
}

function equalMaps(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>, seen: Seen): boolean {
  if (a.size !== b.size) return false;
  return [...a].every(([key, value]) =>
    b.has(key) && deepEqual(value, b.get(key), seen) ||
    isObject(key) && [...b].some(([other, held]) => deepEqual(key, other, seen) && deepEqual(value, held, seen))
  );
}
