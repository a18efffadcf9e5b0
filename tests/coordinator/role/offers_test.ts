import { assertEquals } from "@std/assert";
import type { Content } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import { Offers } from "../../../lib/coordinator/role/offers.ts";
import type { Session } from "../../../lib/coordinator/role/session.ts";
import { contentIdOf } from "./lab.ts";

function session(): Session {
  return { withdrawnTransaction: 0 } as Session;
}

function content(byte: number): Content {
  return { id: contentIdOf(byte), bytes: 9 };
}

const small = { offersMax: 6, offersPerSessionMax: 3, offersPerContentMax: 2 };

Deno.test("Offers keeps an offer until its lease ends, and a renewed one from then on", () => {
  const offers = new Offers();
  const [ada, bob] = [session(), session()];
  offers.told(ada!, content(1), true, 1, 0);
  offers.told(bob!, content(1), true, 1, 10);
  offers.told(ada!, content(1), true, 2, 20);
  assertEquals(offers.size, 2);
  assertEquals(offers.of(content(1), limits.offerMs + 9), [bob, ada]);
  assertEquals(offers.has(bob!, content(1), limits.offerMs + 9), true);
  assertEquals(offers.has(bob!, content(1), limits.offerMs + 10), false);
  assertEquals(offers.of(content(1), limits.offerMs + 10), [ada]);
  assertEquals(offers.of(content(1), limits.offerMs + 20), []);
  assertEquals(offers.size, 0);
});

Deno.test("Offers takes the one renewed longest ago where a session, a content or all of it is full", () => {
  const offers = new Offers(small);
  const sessions = Array.from({ length: 4 }, session);
  const [one, two, three, four] = sessions as [Session, Session, Session, Session];
  const of = (byte: number) => offers.of(content(byte), 5).map((one) => sessions.indexOf(one) + 1);
  for (const byte of [1, 2, 3]) offers.told(one, content(byte), true, 1, 0);
  offers.told(one, content(1), true, 1, 0);
  offers.told(one, content(4), true, 1, 0);
  assertEquals([1, 2, 3, 4].map(of), [[1], [], [1], [1]], "a session's own");
  offers.told(two, content(1), true, 1, 0);
  offers.told(three, content(1), true, 1, 0);
  assertEquals(of(1), [2, 3], "a content's");
  for (const byte of [5, 6, 7]) offers.told(four, content(byte), true, 1, 0);
  assertEquals(offers.size, small.offersMax);
  assertEquals([3, 4, 1, 5, 6, 7].map(of), [[], [1], [2, 3], [4], [4], [4]], "in all");
});

Deno.test("Offers ends what is withdrawn, and a repeat of an older request does not bring it back", () => {
  const offers = new Offers();
  const [ada, bob] = [session(), session()];
  offers.told(ada!, content(1), true, 5, 0);
  offers.told(ada!, content(2), true, 6, 0);
  offers.told(bob!, content(1), true, 5, 0);
  offers.told(ada!, content(1), false, 7, 0);
  offers.told(ada!, content(1), true, 5, 0);
  assertEquals(offers.of(content(1), 0), [bob]);
  offers.told(ada!, content(1), true, 8, 0);
  assertEquals(offers.of(content(1), 0), [bob, ada]);
  offers.withdraw(ada!, [content(1), content(9)]);
  assertEquals([offers.of(content(1), 0), offers.of(content(2), 0)], [[bob], [ada]]);
  offers.withdrawAll(ada!);
  offers.withdrawAll(ada!);
  assertEquals([offers.of(content(1), 0), offers.of(content(2), 0), offers.size], [[bob], [], 1]);
});
