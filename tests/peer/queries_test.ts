import { assertEquals, assertRejects } from "@std/assert";
import { RemoteError, ShoalError } from "../../lib/core/errors.ts";
import type { Control } from "../../lib/peer/control.ts";
import { answerQuery, type QueryContext } from "../../lib/peer/queries.ts";
import type { Sharing } from "../../lib/peer/sharing.ts";

type Query = Parameters<typeof answerQuery>[0];

async function answer(query: Query, parts: Partial<QueryContext>) {
  const events = answerQuery(query, parts as QueryContext, new AbortController().signal, () => {});
  return await Array.fromAsync(events);
}

Deno.test("remove goes on past a name that the account does not share", async () => {
  const away = new Set(["a", "c"]);
  const announcer = { remove: ([name]: string[]) => Promise.resolve(away.delete(name!) ? 1 : 0) };
  const sharing = { has: () => false, announcer } as unknown as Sharing;
  const events = await answer({ command: "remove", names: ["a", "slip", "c"] }, { sharing });
  assertEquals(events.map((event) => event.type === "error" ? event.code : event.type), [
    "removed",
    "notFound",
    "removed",
  ]);
  assertEquals(away.size, 0);
});

Deno.test("trust of an account that is not there names it and keeps the code", async () => {
  const refuse = () => Promise.reject(new RemoteError("notFound", "The coordinator refused account"));
  const control = { request: refuse } as unknown as Control;
  const error = await assertRejects(() => answer({ command: "trust", account: "nobody" }, { control }), ShoalError);
  assertEquals([error.code, error.message], ["notFound", 'Cannot look up "nobody": there is no such account']);
});
