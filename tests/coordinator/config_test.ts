import { assertEquals, assertThrows } from "@std/assert";
import { dataFolder, readServeConfig, settingsThatStay } from "../../lib/coordinator/config.ts";
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
  const levelOf = (told: { quiet?: boolean; verbose?: boolean; "log-level"?: string }) =>
    readServeConfig("1", { ...values, ...told }, around()).logLevel;
  assertEquals(
    [levelOf({}), levelOf({ quiet: true }), levelOf({ verbose: true }), levelOf({ "log-level": "error" })],
    ["info", "warning", "debug", "error"],
  );
  assertThrows(() => levelOf({ quiet: true, verbose: true }), UsageError);
  assertThrows(() => levelOf({ quiet: true, "log-level": "debug" }), UsageError);
  assertThrows(() => levelOf({ "log-level": "loud" }), UsageError, "error, warning, info, debug");
});

Deno.test("dataFolder() goes from --data to XDG_STATE_HOME to HOME", () => {
  assertEquals(dataFolder("x/y", around()), "/here/x/y");
  assertEquals(dataFolder("/data", around()), "/data");
  assertEquals(dataFolder(undefined, around({ XDG_STATE_HOME: "/state", HOME: "/h" })), "/state/shoal/coordinator");
  assertEquals(dataFolder(undefined, around()), "/home/ada/.local/state/shoal/coordinator");
  assertThrows(() => dataFolder(undefined, around({})), UsageError, "HOME");
});

Deno.test("readServeConfig() reads the admin address, this machine's alone without a host", () => {
  const read = (admin: string) => readServeConfig("1", { ...values, admin }, around()).admin;
  assertEquals(readServeConfig("1", values, around()).admin, undefined);
  assertEquals(read("9464"), { ip: "127.0.0.1", port: 9464 });
  assertEquals(read("0.0.0.0:0"), { ip: "0.0.0.0", port: 0 });
  assertEquals(read("[::1]:9464"), { ip: "::1", port: 9464 });
  for (const text of ["", "x", "9464x", ":9464", "example.org:9464", "1.2.3.4:70000"]) {
    assertThrows(() => read(text), UsageError);
  }
  const { adminTokenPath, adminNames } = readServeConfig("1", {
    ...values,
    "admin-token-file": "token",
    "admin-names": "Shoal.example, b,",
  }, around());
  assertEquals([adminTokenPath, adminNames], ["/here/token", ["shoal.example", "b"]]);
});

Deno.test("readServeConfig() reads up to four places where peers go", () => {
  const read = (text: string) => readServeConfig("1", { ...values, "peers-go-to": text }, around()).peersGoTo;
  assertEquals(readServeConfig("1", values, around()).peersGoTo, []);
  assertEquals(read("b.example:5000, [2001:db8::1]:5001"), [
    { host: "b.example", port: 5000 },
    { host: "2001:db8::1", port: 5001 },
  ]);
  for (const text of ["b.example", "b:0", "b:65536", "2001:db8::1:5000", ":5000", "b:5000;c:5000"]) {
    assertThrows(() => read(text), UsageError, text.split(",")[0]!);
  }
  assertThrows(() => read("a:1,b:1,c:1,d:1,e:1"), UsageError, "4 is the most");
});

Deno.test("settingsThatStay() names what a running coordinator does not take over", () => {
  const before = readServeConfig("5000", values, around());
  assertEquals(settingsThatStay(before, readServeConfig("5000", { ...values, verbose: true }, around())), []);
  const after = { ...values, host: "::", data: "/other", "keep-alive": "20", admin: "1" };
  assertEquals(settingsThatStay(before, readServeConfig("5000", after, around())), [
    "--host",
    "--data",
    "--keep-alive",
    "--admin",
  ]);
});

Deno.test("--advertise is a host, with the port where another one leads here", () => {
  const read = (advertise: string) => readServeConfig("1", { ...values, advertise }, around()).advertise;
  assertEquals(readServeConfig("1", values, around()).advertise, undefined);
  assertEquals(read("first.example.org"), { host: "first.example.org", port: 0 });
  assertEquals(read("192.0.2.1:5001"), { host: "192.0.2.1", port: 5001 });
  assertEquals(read("[2001:db8::1]:5001"), { host: "2001:db8::1", port: 5001 });
  for (const bad of ["", ":5000", "host:70000", "2001:db8::1", "host:x"]) assertThrows(() => read(bad), UsageError);
});
