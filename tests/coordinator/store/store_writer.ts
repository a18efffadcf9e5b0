/**
 * store_writer: shares files for ever through the store at a place (a path, or a URL and a lease), two asks a group, and prints how many
 * there are after each acknowledged group. It goes on where one before it was killed.
 */

import { contentIdFrom, deviceIdFrom } from "../../../lib/core/ids.ts";
import { openStore } from "../../../lib/coordinator/store/open_store.ts";

const [place, lease] = Deno.args as [string, string | undefined];
const store = await openStore(lease === undefined ? place : { url: place, leaseMs: Number(lease) });
await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
const [enrolled] = await store.write([{
  operation: "enrolDevice",
  ask: {
    account: "ada",
    deviceId: deviceIdFrom(new Uint8Array(32)),
    label: "vm",
    certificate: new Uint8Array(1),
    loginKey: new Uint8Array(32),
    record: "record",
    nowMs: 1,
  },
}]);
if (!enrolled.ok) throw new Error(enrolled.error.text);
const { device } = enrolled.value;
await store.write([{ operation: "presence", ask: { device, online: true, nowMs: 1 } }]);

let count = (await store.findAccount("ada"))!.shares;
const entry = () => {
  const id = new Uint8Array(32);
  new DataView(id.buffer).setUint32(0, ++count);
  return { name: `file ${count}`, id: contentIdFrom(id), bytes: count, audience: null, description: "" };
};
const ask = () => ({ operation: "share", ask: { device, entries: [entry(), entry(), entry()], nowMs: 1 } } as const);
for (;;) {
  for (const answer of await store.write([ask(), ask()])) if (!answer.ok) throw new Error(answer.error.text);
  Deno.stdout.writeSync(new TextEncoder().encode(`${count}\n`));
}
