import { assertEquals, assertThrows } from "@std/assert";
import { parseCoordinatorAddress } from "../../lib/cli/address.ts";
import { UsageError } from "../../lib/core/errors.ts";

Deno.test("parseCoordinatorAddress() reads the three forms", () => {
  const cases = {
    "5000": { host: "127.0.0.1", port: 5000 },
    "10.0.0.1:5000": { host: "10.0.0.1", port: 5000 },
    "files.example.org:1": { host: "files.example.org", port: 1 },
    "my_host:65535": { host: "my_host", port: 65535 },
    "[::1]:5000": { host: "::1", port: 5000 },
    "[fe80::1%eth0]:5000": { host: "fe80::1%eth0", port: 5000 },
  };
  for (const [text, address] of Object.entries(cases)) {
    assertEquals(parseCoordinatorAddress(text), address);
  }
});

Deno.test("parseCoordinatorAddress() refuses everything else and says what would be right", () => {
  for (
    const text of [
      "",
      "peers",
      "0",
      "65536",
      "host",
      "host:",
      ":5000",
      "host:0",
      "[::1]",
      "[1.2.3.4]:5",
      "a b:5",
      "5000x",
      "-h:5",
      "[x]:5",
    ]
  ) {
    assertThrows(() => parseCoordinatorAddress(text), UsageError, "coordinator's address");
  }
  assertEquals(assertThrows(() => parseCoordinatorAddress("::1:5000"), UsageError).hint, "Did you mean [::1]:5000");
});
