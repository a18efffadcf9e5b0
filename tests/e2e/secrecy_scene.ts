/** secrecy_scene: what secrecy_test listens to: a login, a share, a search and a fetch. Prints the names that must not be heard as JSON. */

import { join } from "@std/path";
import { Stage } from "../../scripts/programs.ts";
import { assertDone } from "./ended.ts";

const [folder] = Deno.args as [string];
const accounts = { alice: "the password of alice", bob: "the password of bob" };
const name = "unheard-of name.bin";

await using stage = await Stage.open(accounts);
await stage.coordinator();
const source = join(folder, name);
await Deno.writeFile(source, crypto.getRandomValues(new Uint8Array(16_384)));
await stage.peer("alice", ["share", source]).ready();
assertDone(await stage.peer("bob", ["find", "unheard-of"]).end());
assertDone(await stage.peer("bob", ["fetch", name]).end());
console.log(
  JSON.stringify({ source, secrets: [...Object.values(accounts), name, "unheard-of"], known: Object.keys(accounts) }),
);
