import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { AdminToken } from "../../lib/coordinator/admin_token.ts";
import { StoreError } from "../../lib/core/errors.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const random = (size: number) => new Uint8Array(size).fill(7);

Deno.test("a token is made once, for its owner alone, and is the same at the next start", () => {
  using folder = temporaryFolder();
  const own = `${folder.path}/admin.token`;
  AdminToken.open({ named: undefined, own, random });
  assertEquals(Deno.statSync(own).mode! & 0o777, 0o600);
  const text = Deno.readTextFileSync(own).trim();
  assertMatch(text, /^[\w-]{43}$/);
  const again = AdminToken.open({ named: undefined, own, random: () => new Uint8Array(32) });
  assertEquals(Deno.readTextFileSync(own).trim(), text);
  assert(again.isShownBy(`Bearer ${text}`) && again.isShownBy(`bearer  ${text} `));
  for (const other of [undefined, "", text, `Basic ${text}`, `Bearer ${text.slice(1)}`, `Bearer ${text} ${text}`]) {
    assert(!again.isShownBy(other), other);
  }
});

Deno.test("a file that the operator names has to be there, private, and a token", () => {
  using folder = temporaryFolder();
  const named = `${folder.path}/named`;
  const own = `${folder.path}/own`;
  const open = () => AdminToken.open({ named, own, random });
  assertThrows(open, StoreError, "there is no such file");
  for (const text of ["", "short", "two words of a token"]) {
    Deno.writeTextFileSync(named, text, { mode: 0o600 });
    assertThrows(open, StoreError, "it holds no token");
  }
  Deno.writeTextFileSync(named, "sixteen-characters\n");
  assert(open().isShownBy("Bearer sixteen-characters"));
  Deno.chmodSync(named, 0o644);
  const { hint } = assertThrows(open, StoreError, "others can read it");
  assertEquals(hint, "Run chmod 600 on it; if others may have read it, write another token into it");
  assertThrows(() => Deno.statSync(own), Deno.errors.NotFound);
});
