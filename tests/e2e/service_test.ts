/** A coordinator as its operator meets it: nothing secret in what it writes, peers that are sent elsewhere, spans that leave by OTLP. */

import { assert, assertEquals } from "@std/assert";
import { readAudit } from "../../lib/coordinator/audit_command.ts";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, ofType } from "./ended.ts";

const accounts = { alice: "the password of alice", bob: "the password of bob" };

Deno.test("no password, key, token, ticket, id or name of a file is in logs, audit or metrics, at any level", async () => {
  await using stage = await Stage.open(accounts);
  const args = ["--admin", "0", "--log-level", "debug", "--log-format", "json"];
  const coordinator = await stage.coordinator(args);
  const { admin } = await coordinator.line((line) => line.type === "ready");
  const name = "unheard-of name.bin";
  const source = stage.path(name);
  await Deno.writeFile(source, crypto.getRandomValues(new Uint8Array(40_000)));
  const holder = stage.peer("alice", ["share", source]);
  await holder.ready();
  assertDone(await stage.peer("bob", ["find", "unheard-of"]).end());
  assertDone(await stage.peer("bob", ["fetch", name]).end());
  const wrong = "a wrong password of bob";
  await Deno.writeTextFile(stage.path("wrong.password"), wrong, { mode: 0o600 });
  const words = stage.peerWords("bob", "wrong").map((word) => word.replace("bob.password", "wrong.password"));
  assertEquals((await stage.start("peer", [...words, "--json", "peers"]).end()).code, 4);
  const input = "the new password of bob";
  assertDone(
    await stage.start("coordinator", ["user", "passwd", "bob", "--data", stage.path("data")], { input }).end(),
  );

  const token = Deno.readTextFileSync(stage.path("data", "admin.token")).trim();
  const response = await fetch(`http://${admin}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  const metrics = await response.text();
  coordinator.signal("SIGTERM");
  const { stderr, stdout } = await coordinator.end();
  const audit = Deno.readTextFileSync(stage.path("data", "audit.jsonl"));

  const events = [...readAudit(stage.path("data"), 0)].map(({ event, account, way }) =>
    [event, account, way].join(" ")
  );
  for (const event of ["addAccount alice ", "loggedIn alice password", "loggedIn bob password", "replaceRecord bob "]) {
    assert(events.includes(event), `${event} is not in ${events}`);
  }
  assert(stderr.includes('"event":"loggedIn"') && metrics.includes('shoal_logins_total{result="ok"}'), stderr);
  const keys = Object.values(JSON.parse(Deno.readTextFileSync(stage.path("data", "keys.json")))).map(String);
  const secrets = [...Object.values(accounts), wrong, input, token, name, "unheard-of", ...keys];
  for (const [where, text] of Object.entries({ stderr, stdout, audit, metrics })) {
    for (const secret of secrets.filter((one) => one.length > 4)) assert(!text.includes(secret), `${where}: ${secret}`);
    // Whatever else is secret is random, and so has a long run of digits and letters: keys, tickets, cookies, session ids.
    const runs = text.match(/[\w+/-]{22,}/g) ?? [];
    const plain = /^(\d{4}-\d\d-\d\dT\d\d|[a-z_]+|[a-z]+(\/[\w.-]+)+|.*\/shoal-[0-9a-f]+\/.*)$/;
    assertEquals(runs.filter((run) => !plain.test(run)), [], where);
  }
});

Deno.test("a coordinator that stops sends its peers to the next one, where they log in without a password", async () => {
  await using stage = await Stage.open(accounts);
  // Both have the same keys, accounts and devices, as behind one database.
  const first = await stage.coordinator();
  const firstPort = stage.port;
  assertDone(await stage.peer("alice", ["peers"]).end());
  first.signal("SIGTERM");
  await first.end();
  await Deno.mkdir(stage.path("second"), { mode: 0o700 });
  for (const file of ["keys.json", "coordinator.db"]) {
    await Deno.copyFile(stage.path("data", file), stage.path("second", file));
    await Deno.chmod(stage.path("second", file), 0o600);
  }
  const second = stage.start("coordinator", ["0", "--data", stage.path("second"), "--json"]);
  const secondPort = await second.ready();
  const stopping = await stage.coordinator(["--peers-go-to", `localhost:${secondPort}`]);
  assertEquals(stage.port, firstPort);
  const source = stage.path("kept.txt");
  await Deno.writeTextFile(source, "kept");
  const holder = stage.peer("alice", ["share", source]);
  await holder.ready();
  const before = second.stderr.length;
  stopping.signal("SIGTERM");
  assertEquals((await stopping.end()).code, 0);
  await second.note("loggedIn account=alice", before);
  // And it announces again what it shares.
  stage.use(secondPort);
  for (;;) {
    const found = await stage.peer("bob", ["find", "kept.txt"]).end();
    if (found.code === 3) continue;
    assertEquals(ofType(assertDone(found), "file").map(({ name }) => name), ["kept.txt"]);
    break;
  }
});

Deno.test("with OTEL_DENO=true logins, groups of writes and searches leave as spans by OTLP, without names", async () => {
  const bodies: string[] = [];
  const heard = Promise.withResolvers<void>();
  await using receiver = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const body = await request.text();
    if (pathname === "/v1/traces") bodies.push(body);
    if (["shoal.login", "shoal.store.group", "shoal.search"].every((one) => bodies.join().includes(one))) {
      heard.resolve();
    }
    return new Response("{}", { headers: { "content-type": "application/json" } });
  });
  await using stage = await Stage.open(accounts);
  const coordinator = await stage.coordinator([], {
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_SERVICE_NAME: "shoal-coordinator",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
  });
  assertEquals((await stage.peer("bob", ["find", "unheard-of"]).end()).code, 3);
  await heard.promise;
  coordinator.signal("SIGTERM");
  assertEquals((await coordinator.end()).code, 0);
  for (const name of ["bob", "unheard-of", accounts.bob]) assert(!bodies.join().includes(name), name);
});
