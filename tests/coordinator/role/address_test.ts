import { assertEquals, assertNotEquals } from "@std/assert";
import { addressBlock, isOfferable, singleAddress, wideAddressBlock } from "../../../lib/coordinator/role/address.ts";

Deno.test("addressBlock() is the /24 of IPv4 and the /64 of IPv6, however it is written", () => {
  for (
    const [ip, block] of [
      ["198.51.100.7", "198.51.100"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
      ["2001:db8:1:2::", "2001:db8:1:2"],
      ["2001:db8::1", "2001:db8:0:0"],
      ["2001:DB8:0::1", "2001:db8:0:0"],
      ["::1", "0:0:0:0"],
      ["::", "0:0:0:0"],
      ["1::2:3:4:5:6:7", "1:0:2:3"],
      ["64:ff9b::192.0.2.33", "64:ff9b:0:0"],
      ["1:2:3:4:5:6:192.0.2.33", "1:2:3:4"],
      ["fe80::1%eth0", "fe80:0:0:0"],
    ] as const
  ) assertEquals(addressBlock(ip), block, ip);
});

Deno.test("singleAddress() is what one machine has, wideAddressBlock() what its network has", () => {
  assertEquals(singleAddress("198.51.100.7"), "198.51.100.7");
  assertEquals(singleAddress("2001:db8::7"), singleAddress("2001:db8::ffff:8"));
  assertNotEquals(singleAddress("2001:db8::7"), singleAddress("2001:db8:0:1::7"));
  assertEquals(wideAddressBlock("198.51.100.7"), "198.51");
  assertEquals(wideAddressBlock("2001:db8:0:1::7"), "2001:db8:0");
});

Deno.test("isOfferable() offers loopback on loopback alone and private addresses to private ones", () => {
  const reaches = [["127.0.0.1", "::1", "127.9.9.9"], [
    "10.1.1.1",
    "172.16.0.1",
    "172.31.9.9",
    "192.168.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "fd00::1",
    "fe80::1",
  ], ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1"]];
  for (const [offered, ips] of reaches.entries()) {
    for (const [asking, others] of reaches.entries()) {
      for (const ip of ips) {
        for (const other of others) assertEquals(isOfferable(ip, other), offered >= asking, `${ip} to ${other}`);
      }
    }
  }
});
