import { assertEquals, assertThrows } from "@std/assert";
import { dataFolder, readServeConfig } from "../../lib/coordinator/config.ts";
import { UsageError } from "../../lib/core/errors.ts";

const values = {
  host: "127.0.0.1",
  data: undefined,
  credentials: undefined,
  "keep-alive": "10",
  "log-format": "text",
  quiet: false,
  verbose: false,
};
const around = (env: Record<string, string> = { HOME: "/home/ada" }) => ({
  env: (name: string) => env[name],
  cwd: "/here",
});

Deno.test("readServeConfig() takes ports from 0 to 65535 and refuses all else", () => {
  for (const [text, port] of [["0", 0], ["5000", 5000], ["65535", 65535]] as const) {
    assertEquals(readServeConfig(text, values, around()).listen, { ip: "127.0.0.1", port });
  }
  for (const text of ["65536", "-1", "1e3", "5000x", "0x50", "99999", " 1"]) {
    assertThrows(() => readServeConfig(text, values, around()), UsageError, "port");
  }
});

Deno.test("readServeConfig() takes addresses, not names", () => {
  for (
    const [host, ip] of [["localhost", "127.0.0.1"], ["::", "::"], ["[::1]", "::1"], ["0.0.0.0", "0.0.0.0"]] as const
  ) {
    assertEquals(readServeConfig("1", { ...values, host }, around()).listen.ip, ip);
  }
  for (const host of ["example.org", "256.1.1.1", "1.2.3", "", "1.2.3.4.5", "abc"]) {
    assertThrows(() => readServeConfig("1", { ...values, host }, around()), UsageError, "IP address");
  }
});

Deno.test("readServeConfig() reads the keep-alive in seconds and refuses what no peer could keep", () => {
  const read = (text: string) => readServeConfig("1", { ...values, "keep-alive": text }, around()).keepAliveMs;
  assertEquals([read("10"), read("0.5"), read("3600"), read("0.1")], [10_000, 500, 3_600_000, 100]);
  for (const text of ["0", "0.05", "3601", "-1", "", "ten", "1e3"]) assertThrows(() => read(text), UsageError);
});

Deno.test("readServeConfig() refuses an unknown log format, and less and more at once", () => {
  assertThrows(() => readServeConfig("1", { ...values, "log-format": "xml" }, around()), UsageError, "xml");
  assertThrows(() => readServeConfig("1", { ...values, quiet: true, verbose: true }, around()), UsageError);
  assertEquals(readServeConfig("1", { ...values, quiet: true }, around()).logLevel, "quiet");
  assertEquals(readServeConfig("1", { ...values, verbose: true }, around()).logLevel, "verbose");
});

Deno.test("dataFolder() goes from --data to XDG_STATE_HOME to HOME", () => {
  assertEquals(dataFolder("x/y", around()), "/here/x/y");
  assertEquals(dataFolder("/data", around()), "/data");
  assertEquals(dataFolder(undefined, around({ XDG_STATE_HOME: "/state", HOME: "/h" })), "/state/shoal/coordinator");
  assertEquals(dataFolder(undefined, around()), "/home/ada/.local/state/shoal/coordinator");
  assertThrows(() => dataFolder(undefined, around({})), UsageError, "HOME");
});
