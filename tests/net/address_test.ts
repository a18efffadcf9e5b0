import { assertEquals } from "@std/assert";
import { isOwnNetwork } from "../../lib/net/address.ts";

Deno.test("isOwnNetwork() tells loopback, private and link-local addresses from all others", () => {
  const own = ["127.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.7.9", "169.254.1.2", "::1"];
  own.push("fe80::1", "febf::1%eth0", "fd12:3456::1", "fc00::", "::ffff:10.1.2.3");
  const others = ["11.0.0.1", "172.15.0.1", "172.32.0.1", "192.169.0.1", "169.253.0.1", "100.64.0.1", "8.8.8.8"];
  others.push("2001:db8::1", "fec0::1", "fb00::1", "::ffff:8.8.8.8", "::", "0.0.0.0");
  for (const ip of own) assertEquals(isOwnNetwork(ip), true, ip);
  for (const ip of others) assertEquals(isOwnNetwork(ip), false, ip);
});
