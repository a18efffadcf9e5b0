import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("parseArgs() reads words, numbers, switches and values", () => {
  assertEquals(parseArgs(["5000", "share", "--x", "-v", "--rate=2", "--name", "a", "-n5", "-ab"]), {
    _: [5000, "share"],
    x: true,
    v: true,
    rate: 2,
    name: "a",
    n: 5,
    a: true,
    b: true,
  });
});

Deno.test("parseArgs() leaves strings as they are typed", () => {
  const args = parseArgs(["007", "--user", "42", "--dir=", "-p", "1"], { string: ["_", "user", "dir", "p"] });
  const user: string | undefined = args.user;
  assertEquals(user, "42");
  const words: readonly unknown[] = args._;
  assertEquals(words, ["007"]);
  assertEquals([args.dir, args.p], ["", "1"]);
});

Deno.test("parseArgs() gives a boolean no value but true and false, and makes it false when absent", () => {
  const args = parseArgs(["--json", "a", "--quiet", "false", "--x=false"], {
    boolean: ["json", "quiet", "x", "absent"],
  });
  const json: boolean = args.json;
  assertEquals(json, true);
  assertEquals(args, { _: ["a"], json: true, quiet: false, x: false, absent: false });
});

Deno.test("parseArgs() does not take the next flag for a value", () => {
  assertEquals(parseArgs(["--user", "--json"], { string: ["user"] }), { _: [], user: "", json: true });
});

Deno.test("parseArgs() collects repeated flags, and the last of others wins", () => {
  const args = parseArgs(["--tag", "a", "--tag=b", "--user=x", "--user=y"], {
    string: ["tag", "user", "none"],
    collect: ["tag", "none"],
  });
  const tags: string[] = args.tag;
  assertEquals(tags, ["a", "b"]);
  assertEquals(args, { _: [], tag: ["a", "b"], none: [], user: "y" });
});

Deno.test("parseArgs() sets a value under all names of a flag", () => {
  const options = { boolean: ["help"], string: ["user"], alias: { help: "h", user: ["u", "account"] } } as const;
  assertEquals(parseArgs(["-h", "-u", "7"], options), { _: [], help: true, h: true, user: "7", u: "7", account: "7" });
});

Deno.test("parseArgs() fills in defaults for what is absent alone", () => {
  const args = parseArgs(["--port=1"], { string: ["port", "host"], default: { port: "5000", host: "127.0.0.1" } });
  const host: string = args.host;
  assertEquals([host, args.port], ["127.0.0.1", "1"]);
});

Deno.test("parseArgs() reads --no-x as false only where x is negatable", () => {
  assertEquals(parseArgs(["--no-a", "--no-b"], { boolean: ["a"], negatable: ["a"], default: { a: true } }), {
    _: [],
    a: false,
    "no-b": true,
  });
});

Deno.test("parseArgs() reads nothing after --, and keeps it apart on demand", () => {
  assertEquals(parseArgs(["a", "--", "--b", "1"]), { _: ["a", "--b", "1"] });
  const args = parseArgs(["a", "--", "--b", "1"], { "--": true });
  const rest: string[] = args["--"];
  assertEquals(rest, ["--b", "1"]);
  assertEquals(args._, ["a"]);
});

Deno.test("parseArgs() with stopEarly leaves what follows the first word to a later reader", () => {
  assertEquals(parseArgs(["--a", "-b", "share", "--json", "7"], { boolean: ["a", "b"], stopEarly: true }), {
    _: ["share", "--json", "7"],
    a: true,
    b: true,
  });
});

Deno.test("parseArgs() tells of each argument that no option names", () => {
  const met: unknown[] = [];
  const args = parseArgs(["word", "--bad=1", "--good", "-x"], {
    boolean: ["good"],
    unknown: (arg, key, value) => {
      met.push([arg, key, value]);
      return key === undefined;
    },
  });
  assertEquals(met, [["word", undefined, undefined], ["--bad=1", "bad", "1"], ["-x", "x", true]]);
  assertEquals(args, { _: ["word"], good: true });
});

Deno.test("parseArgs() nests dotted names and lets none reach a prototype", () => {
  const args = parseArgs(["--a.b=1", "--__proto__.polluted=1", "--constructor.prototype.polluted=1"]);
  assertEquals(args, { _: [], a: { b: 1 } });
  assertEquals("polluted" in {}, false);
});
