import { assert, assertEquals, assertGreater, assertLessOrEqual, assertNotEquals } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import { encodeMessage } from "../../../lib/wire/message.ts";
import { expectKind, flipped, labWith, ScriptedPeer } from "./lab.ts";

const elsewhere = { ip: "203.0.113.20", port: 900 };

Deno.test("a session moves to a new address only after the challenge was answered from there", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const home = peer.endpoint;
  lab.clear();
  const request = peer.seal(peer.status());
  const sent = lab.deliver(elsewhere, request);
  // The answer goes to the address that is proven, a challenge to the new one.
  assertEquals(sent.map(({ to }) => to), [elsewhere, home]);
  assertLessOrEqual(sent[0]!.bytes.length, request.length);
  const challenge = peer.read(sent)[0]!;
  assert(challenge.message.kind === "pathChallenge");
  const token = challenge.message.token;
  // Right token, wrong address; right address, wrong token; then both right.
  const answer = (from: typeof home, value: Uint8Array<ArrayBuffer>) =>
    lab.deliver(
      from,
      peer.channel!.seal(encodeMessage(challenge.transaction, { kind: "pathResponse", token: value })),
    );
  answer({ ...elsewhere, port: 901 }, token);
  answer(elsewhere, flipped(token, 0));
  assertEquals(lab.logs, []);
  assertEquals(lab.deliver(home, peer.seal(peer.status())).map(({ to }) => to), [home]);
  answer(elsewhere, token);
  assertEquals(lab.logs.map(({ event, endpoint }) => [event, endpoint]), [["moved", "203.0.113.20:900"]]);
  const after = lab.deliver(elsewhere, peer.seal(peer.status()));
  assertEquals(after.map(({ to }) => to), [elsewhere]);
  const alive = peer.one(after).message;
  assert(alive.kind === "alive");
  assertEquals(alive.observed, elsewhere);
});

Deno.test("an older datagram from a new address, held back or replayed, moves nothing and challenges nobody", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const heldBack = peer.seal(peer.status());
  const replayed = peer.seal(peer.status());
  lab.deliver(peer.endpoint, replayed);
  assertEquals(lab.deliver(elsewhere, replayed), []);
  assertEquals(lab.deliver(elsewhere, heldBack).map(({ to }) => to), [peer.endpoint]);
});

Deno.test("a session has one challenge out at a time, at most one a second", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const challenges = (from: typeof elsewhere) =>
    peer.read(lab.deliver(from, peer.seal(peer.status()))).flatMap(({ message }) =>
      message.kind === "pathChallenge" ? [message.token] : []
    );
  const [token] = challenges(elsewhere);
  for (let i = 0; i < 5; i++) assertEquals(challenges(elsewhere), []);
  for (let i = 0; i < 50; i++) assertEquals(challenges({ ip: `203.0.113.${i}`, port: 5 }), []);
  lab.nowMs += limits.challengeEveryMs;
  assertEquals(challenges(elsewhere), [token!], "a slow answer to the first still counts");
  lab.nowMs += limits.challengeEveryMs;
  assertEquals(challenges({ ip: "203.0.113.77", port: 5 }).length, 1);
  peer.say({ kind: "pathResponse", token: token! });
  assertEquals(lab.logs.some(({ event }) => event === "moved"), false, "it is another address's token now");
});

Deno.test("never more bytes go to a new address than came from there", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const request = peer.seal({ kind: "done" }, 1);
  assertEquals(lab.deliver(elsewhere, request), [], "shorter than a challenge");
  assertEquals(lab.deliver({ ...elsewhere, port: 901 }, peer.seal({ kind: "done" }, 1)), [], "from elsewhere still");
  const [challenge] = lab.deliver({ ...elsewhere, port: 901 }, peer.seal({ kind: "done" }, 1));
  assertLessOrEqual(challenge!.bytes.length, 2 * request.length);
  let [came, went] = [0, 0];
  for (let i = 0; i < 50; i++) {
    lab.nowMs += limits.challengeEveryMs;
    const datagram = peer.seal({ kind: "done" }, 1);
    came += datagram.length;
    went += lab.deliver(elsewhere, datagram).reduce((sum, { bytes }) => sum + bytes.length, 0);
    assertLessOrEqual(went, came);
  }
  assertGreater(went, 0);
});

Deno.test("a device that moved to another IP address is dialled there before it is offered again, one that changed ports is not", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const move = (to: typeof elsewhere) => {
    const [challenge] = peer.read(lab.deliver(to, peer.seal(peer.status())));
    assert(challenge?.message.kind === "pathChallenge");
    lab.deliver(to, peer.seal({ kind: "pathResponse", token: challenge.message.token }));
    peer.endpoint = to;
  };
  lab.reachable = false;
  lab.wait(limits.probeEveryMs);
  lab.clear();
  move({ ...peer.endpoint, port: 999 });
  assertEquals(lab.probes.length, 0);
  assertEquals(peer.askFor("alive", peer.status()).reachable, "yes");
  lab.wait(limits.challengeEveryMs);
  move(elsewhere);
  assertEquals(lab.probes.map(({ endpoint }) => endpoint), [{ ip: elsewhere.ip, port: 6000 }]);
  assertEquals(peer.askFor("alive", peer.status()).reachable, "no");
});

Deno.test("a lost session of our own id is reset with the token its peer was told; ids of others get silence", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const other = new ScriptedPeer(lab, { device: 2 }).logIn();
  const authenticated = peer.logIn();
  assert(authenticated.kind === "authenticated" && other.kind === "authenticated");
  assertNotEquals(authenticated.resetToken, other.resetToken);
  lab.input({ kind: "drain", elsewhere: [], atOnce: 100 });
  const request = peer.seal(peer.status());
  const sent = lab.deliver(elsewhere, request);
  const reset = expectKind(sent[0], "reset");
  assertEquals(reset.token, authenticated.resetToken);
  assertEquals(reset.sessionId, peer.channel!.sessionId);
  assertLessOrEqual(sent[0]!.bytes.length, request.length);
  for (let bit = 2; bit < 10; bit++) assertEquals(lab.deliver(elsewhere, flipped(request, bit)), []);
  assertEquals(lab.deliver(elsewhere, sent[0]!.bytes), [], "a reset is not answered");
});
