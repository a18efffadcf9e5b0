import { assertEquals, assertRejects } from "@std/assert";
import { setImmediate } from "node:timers";
import { ContentError, StoreError } from "../../lib/core/errors.ts";
import { emptyContentId } from "../../lib/core/ids.ts";
import { mib } from "../../lib/core/limits.ts";
import { hashFile } from "../../lib/content/file_hash.ts";
import { hashed, pattern, tempFolder } from "./fixtures.ts";

Deno.test("hashFile() answers what the bytes hash to, and the file's stamp", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  for (const bytes of [0, 1, mib, 3 * mib + 1]) {
    Deno.writeFileSync(path, pattern(bytes));
    const { content, layer, stamp } = await hashFile(path);
    assertEquals({ content, layer }, hashed(pattern(bytes)));
    const stat = Deno.lstatSync(path);
    assertEquals(stamp, {
      bytes,
      mtimeMs: stat.mtime!.getTime(),
      ctimeMs: stat.ctime!.getTime(),
      inode: stat.ino!,
    });
  }
  Deno.writeFileSync(path, new Uint8Array(0));
  assertEquals((await hashFile(path)).content, { id: emptyContentId, bytes: 0 });
});

Deno.test("hashFile() reports its progress up to the whole", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  const bytes = 3 * mib + 1;
  Deno.writeFileSync(path, pattern(bytes));
  const seen: [number, number][] = [];
  await hashFile(path, { onProgress: (done, total) => seen.push([done, total]) });
  assertEquals(seen.at(-1), [bytes, bytes]);
  assertEquals(seen.every(([done], i) => i === 0 || done > seen[i - 1]![0]), true);
  assertEquals(seen.length > 3, true);
});

Deno.test("hashFile() lets other work run while it hashes", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  Deno.writeFileSync(path, pattern(8 * mib));
  Deno.utimeSync(path, 1, 1); // Long ago, so that nothing but the hashing itself takes turns.
  let done = false;
  let turns = 0;
  const hashing = hashFile(path).then(() => done = true);
  for (; !done; turns++) await new Promise((resolve) => setImmediate(resolve));
  await hashing;
  assertEquals(turns >= 32, true, `${turns} turns for 32 steps`);
});

Deno.test("hashFile() stops when its signal is aborted, with the signal's reason", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  Deno.writeFileSync(path, pattern(8 * mib));
  const stop = new AbortController();
  const reason = new Error("enough");
  const hashing = hashFile(path, { signal: stop.signal, onProgress: (done) => done > mib && stop.abort(reason) });
  assertEquals(await assertRejects(() => hashing), reason);
});

Deno.test("hashFile() refuses a file that is written, truncated or replaced meanwhile", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  const changes: Record<string, () => void> = {
    written() {
      using file = Deno.openSync(path, { write: true });
      file.writeSync(pattern(10));
    },
    truncated: () => Deno.truncateSync(path, 5),
    grown: () => Deno.writeFileSync(path, pattern(1), { append: true }),
    replaced() {
      Deno.writeFileSync(`${path}.new`, pattern(4 * mib));
      Deno.renameSync(`${path}.new`, path);
    },
    removed: () => Deno.removeSync(path),
  };
  for (const [kind, change] of Object.entries(changes)) {
    Deno.writeFileSync(path, pattern(4 * mib));
    let isDone = false;
    const onProgress = (done: number) => {
      if (done < 2 * mib || isDone) return;
      isDone = true;
      change();
    };
    const error = await assertRejects(() => hashFile(path, { onProgress }), ContentError, "changed", kind);
    assertEquals(error.code, "changed");
  }
});

Deno.test("hashFile() gives a file that was written this moment time to settle before it looks", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  Deno.writeFileSync(path, pattern(1));
  const hashing = hashFile(path);
  // Still in the same tick: such a write might leave no trace in the times.
  Deno.writeFileSync(path, pattern(2, 2));
  assertEquals((await hashing).content, hashed(pattern(2, 2)).content);
});

Deno.test("hashFile() reads regular files alone, and never through a link", async () => {
  using folder = tempFolder();
  Deno.writeFileSync(`${folder.path}/file`, pattern(1));
  Deno.symlinkSync(`${folder.path}/file`, `${folder.path}/link`);
  for (const name of ["link", ".", "missing"]) {
    await assertRejects(() => hashFile(`${folder.path}/${name}`), StoreError);
  }
  await assertRejects(() => hashFile("/dev/zero"), StoreError, "not a regular file");
});
