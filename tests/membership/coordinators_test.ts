import { assertEquals } from "@std/assert";
import { limits } from "../../lib/core/limits.ts";
import { Coordinators } from "../../lib/membership/coordinators.ts";

const at = (ip: string, port = 5000) => ({ ip, port });

/** The addresses at which a peer that fails everywhere logs in next. */
function next(coordinators: Coordinators, count: number): string[] {
  return Array.from({ length: count }, () => {
    coordinators.lost();
    return coordinators.current.ip;
  });
}

Deno.test("Coordinators goes round its own, the first one first", () => {
  const several = new Coordinators([at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.3")]);
  assertEquals(several.current, at("192.0.2.1"));
  assertEquals(next(several, 4), ["192.0.2.2", "192.0.2.3", "192.0.2.1", "192.0.2.2"]);
  assertEquals(next(new Coordinators([at("192.0.2.1")]), 2), ["192.0.2.1", "192.0.2.1"]);
});

Deno.test("Coordinators tries each place it was sent to once, in order, then its own again", () => {
  const one = new Coordinators([at("192.0.2.1")]);
  one.sendTo([at("192.0.2.8"), at("192.0.2.9", 6000)]);
  assertEquals(one.current, at("192.0.2.1"), "until the session is over");
  assertEquals(next(one, 4), ["192.0.2.8", "192.0.2.9", "192.0.2.1", "192.0.2.1"]);
  one.sendTo([at("192.0.2.9", 6000)]);
  one.lost();
  assertEquals(one.current, at("192.0.2.9", 6000));
});

Deno.test("Coordinators is sent to no name, no group and no loopback address from outside, and to its own family alone", () => {
  const refused = ["localhost", "evil.example", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "1.2.3.400"];
  for (const ip of [...refused, "::1", "2001:db8::1", ""]) {
    const coordinators = new Coordinators([at("192.0.2.1")]);
    coordinators.sendTo([at(ip), at("198.51.100.7")]);
    assertEquals(next(coordinators, 2), ["198.51.100.7", "192.0.2.1"], ip);
  }
  for (const ip of ["::1", "::", "ff02::1", "192.0.2.1", "fe80::1%eth0"]) {
    const coordinators = new Coordinators([at("2001:db8::1")]);
    coordinators.sendTo([at(ip), at("2001:db8::7")]);
    assertEquals(next(coordinators, 2), ["2001:db8::7", "2001:db8::1"], ip);
  }
  const near = new Coordinators([at("127.0.0.1")]);
  near.sendTo([at("192.0.2.8"), at("127.0.0.2")]);
  assertEquals(next(near, 1), ["127.0.0.2"]);
});

Deno.test("Coordinators goes round those that it was told of behind its own, and stays where it is while that lasts", () => {
  const coordinators = new Coordinators([at("192.0.2.1")]);
  coordinators.learn([at("192.0.2.3"), at("192.0.2.1"), at("192.0.2.2")]);
  assertEquals([coordinators.count, coordinators.current.ip, coordinators.isNamed], [3, "192.0.2.1", true]);
  assertEquals(next(coordinators, 4), ["192.0.2.3", "192.0.2.2", "192.0.2.1", "192.0.2.3"]);
  assertEquals(coordinators.isNamed, false);
  coordinators.learn([at("192.0.2.4")]);
  assertEquals(coordinators.current.ip, "192.0.2.3", "it is not lost yet");
  assertEquals(next(coordinators, 4), ["192.0.2.4", "192.0.2.2", "192.0.2.1", "192.0.2.3"]);
  coordinators.learn([]);
  assertEquals(coordinators.count, 4, "who tells of none does not know");
  coordinators.learn(Array.from({ length: 20 }, (_, i) => at(`192.0.2.${100 + i}`)));
  assertEquals(coordinators.count, 1 + limits.coordinatorsMax);
});

Deno.test("Coordinators learns of hosts of its own kind alone", () => {
  const coordinators = new Coordinators([at("192.0.2.1")]);
  coordinators.learn([at("127.0.0.1"), at("224.0.0.1"), at("::1"), at("evil.example"), at("198.51.100.7")]);
  assertEquals(next(coordinators, 2), ["198.51.100.7", "192.0.2.1"]);
});
