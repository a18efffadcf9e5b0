/** sqlite_writer: shares files for ever, and prints how many each acknowledged group made. Killed by sqlite_store_test.ts. */

import { contentIdFrom, deviceIdFrom } from "../../../lib/core/ids.ts";
import { openSqliteStore } from "../../../lib/coordinator/store/sqlite_store.ts";

const store = openSqliteStore(Deno.args[0]!);
await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
const deviceId = deviceIdFrom(new Uint8Array(32));
const [enrolled] = await store.write(
  [{
    operation: "enrolDevice",
    ask: { account: "ada", deviceId, label: "vm", certificate: new Uint8Array(1), nowMs: 1 },
  }],
);
if (!enrolled.ok) throw new Error(enrolled.error.text);
const { device } = enrolled.value;

for (let count = 0;;) {
  const entries = Array.from({ length: 3 }, () => {
    const id = new Uint8Array(32);
    new DataView(id.buffer).setUint32(0, ++count);
    return { name: `file ${count}`, id: contentIdFrom(id), bytes: count };
  });
  const [answer] = await store.write([{ operation: "share", ask: { device, entries, nowMs: 1 } }]);
  if (!answer.ok) throw new Error(answer.error.text);
  Deno.stdout.writeSync(new TextEncoder().encode(`${count}\n`));
}
