import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";

// These tests cannot lean on the assertions that they judge, so they throw by themselves.
function demand(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

function failureOf(run: () => unknown): Error | undefined {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
}

class Hidden {
  #value: number;
  constructor(value: number) {
    this.#value = value;
  }
  get value(): number {
    return this.#value;
  }
}

function cycle(): unknown {
  const list: unknown[] = [1];
  list.push(list);
  return list;
}

const same: [unknown, unknown][] = [
  [0, -0],
  [NaN, NaN],
  [{ a: [1, { b: "x" }] }, { a: [1, { b: "x" }] }],
  [{ __proto__: null, a: 1 }, { a: 1 }],
  [new Map([[{ k: 1 }, [1]]]), new Map([[{ k: 1 }, [1]]])],
  [new Set([{ a: 1 }, 2]), new Set([2, { a: 1 }])],
  [new Date(5), new Date(5)],
  [/a/g, /a/g],
  [Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
  [Uint8Array.of(1).buffer, Uint8Array.of(1).buffer],
  [new Hidden(1), new Hidden(1)],
  [cycle(), cycle()],
];

const different: [unknown, unknown][] = [
  [1, "1"],
  [null, undefined],
  [null, {}],
  [[1, 2], [2, 1]],
  [[1], { 0: 1 }],
  [{ a: undefined }, {}],
  [{ a: undefined }, { b: undefined }],
  [{ a: { b: 1 } }, { a: { b: 2 } }],
  [new Map([[1, 2]]), new Map([[1, 3]])],
  [new Map([[1, 2]]), new Map([[2, 2]])],
  [new Set([{ a: 1 }]), new Set([{ a: 2 }])],
  [new Date(5), new Date(6)],
  [/a/g, /a/i],
  [Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
  [Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3)],
  [Uint8Array.of(1, 2), Int8Array.of(1, 2)],
  [Uint8Array.of(1, 2), [1, 2]],
  [new Hidden(1), new Hidden(2)],
  [new Error("a"), new Error("b")],
  [() => 1, () => 1],
];

Deno.test("equal() and assertEquals() accept what is the same by value", () => {
  for (const [a, b] of same) {
    demand(equal(a, b) && equal(b, a), `not equal: ${Deno.inspect([a, b])}`);
    assertEquals(a, b);
    demand(failureOf(() => assertNotEquals(a, b)) instanceof AssertionError, "assertNotEquals() let it pass");
  }
});

Deno.test("equal() and assertEquals() refuse what differs in type, shape, order or value", () => {
  for (const [a, b] of different) {
    demand(!equal(a, b) && !equal(b, a), `equal: ${Deno.inspect([a, b])}`);
    assertNotEquals(a, b);
    demand(failureOf(() => assertEquals(a, b)) instanceof AssertionError, "assertEquals() let it pass");
  }
});

Deno.test("assertEquals() says what differs, and the caller's words", () => {
  const message = failureOf(() => assertEquals({ a: 1, b: "same" }, { a: 2, b: "same" }, "the map"))!.message;
  for (const part of ["Values are not equal: the map", "1", "2"]) {
    demand(message.includes(part), `no ${part} in: ${message}`);
  }
});

Deno.test("each assertion passes what it names and fails the opposite", () => {
  const text: unknown = "abc";
  const passing: [string, () => unknown][] = [
    ["assert", () => assert(1)],
    ["assertFalse", () => assertFalse("")],
    ["assertExists", () => assertExists(0)],
    ["assertStrictEquals", () => assertStrictEquals(NaN, NaN)],
    ["assertNotStrictEquals", () => assertNotStrictEquals<unknown>([], [])],
    ["assertGreater", () => assertGreater(2, 1)],
    ["assertGreaterOrEqual", () => assertGreaterOrEqual(1, 1)],
    ["assertLess", () => assertLess(1n, 2n)],
    ["assertLessOrEqual", () => assertLessOrEqual("a", "a")],
    ["assertMatch", () => assertMatch("abc", /b/)],
    ["assertNotMatch", () => assertNotMatch("abc", /x/)],
    ["assertStringIncludes", () => assertStringIncludes("abc", "bc")],
    ["assertArrayIncludes", () => assertArrayIncludes([{ a: 1 }, 2], [2, { a: 1 }])],
    ["assertInstanceOf", () => assertInstanceOf(new RangeError(), Error)],
    ["assertIsError", () => assertIsError(new RangeError("abc"), RangeError, "b")],
  ];
  const failing: [string, () => unknown][] = [
    ["assert", () => assert(0)],
    ["assertFalse", () => assertFalse([])],
    ["assertExists", () => assertExists(null)],
    ["assertStrictEquals", () => assertStrictEquals(0, -0)],
    ["assertNotStrictEquals", () => assertNotStrictEquals(text, text)],
    ["assertGreater", () => assertGreater(1, 1)],
    ["assertGreaterOrEqual", () => assertGreaterOrEqual(NaN, 1)],
    ["assertLess", () => assertLess(1, 1)],
    ["assertLessOrEqual", () => assertLessOrEqual(2, 1)],
    ["assertMatch", () => assertMatch("abc", /x/)],
    ["assertNotMatch", () => assertNotMatch("abc", /b/)],
    ["assertStringIncludes", () => assertStringIncludes("abc", "cb")],
    ["assertArrayIncludes", () => assertArrayIncludes([1, 2], [3])],
    ["assertInstanceOf", () => assertInstanceOf(new Error(), RangeError)],
    ["assertIsError", () => assertIsError("abc")],
    ["assertIsError of a class", () => assertIsError(new Error("abc"), RangeError)],
    ["assertIsError with a text", () => assertIsError(new Error("abc"), Error, /x/)],
    ["fail", () => fail("so")],
    ["unreachable", () => unreachable()],
  ];
  for (const [name, run] of passing) demand(failureOf(run) === undefined, `${name} failed`);
  for (const [name, run] of failing) demand(failureOf(run) instanceof AssertionError, `${name} let it pass`);
});

Deno.test("assertThrows() returns what was thrown, and fails on another class, another text and nothing", () => {
  const thrown = new RangeError("out of range");
  const run = () => {
    throw thrown;
  };
  demand(assertThrows(run) === thrown && assertThrows(run, RangeError, "range") === thrown, "another value");
  for (
    const wrong of [
      () => assertThrows(run, TypeError),
      () => assertThrows(run, RangeError, "missing"),
      () => assertThrows(() => 1),
      () =>
        assertThrows(() => {
          throw "text";
        }, Error),
    ]
  ) demand(failureOf(wrong) instanceof AssertionError, `passed: ${wrong}`);
});

Deno.test("assertRejects() returns the reason, and fails on another class, a resolved promise and a throw", async () => {
  const reason = new RangeError("out of range");
  demand(await assertRejects(() => Promise.reject(reason), RangeError, "range") === reason, "another value");
  for (
    const wrong of [
      () => assertRejects(() => Promise.reject(reason), TypeError),
      () => assertRejects(() => Promise.reject(reason), RangeError, "missing"),
      () => assertRejects(() => Promise.resolve()),
      () => assertRejects(() => Promise.reject("text"), Error),
      () =>
        assertRejects(() => {
          throw reason;
        }, RangeError),
    ]
  ) {
    const failure = await wrong().then(() => undefined, (error) => error);
    demand(failure instanceof AssertionError, `passed: ${wrong}`);
  }
});
