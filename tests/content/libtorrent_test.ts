import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { formatHex } from "../../lib/core/bytes.ts";
import { kib, mib } from "../../lib/core/limits.ts";
import { hashFile } from "../../lib/content/file_hash.ts";
import { pieceBytesFor } from "../../lib/content/merkle.ts";
import { pattern, tempFolder } from "./fixtures.ts";

/** Debian's python3-libtorrent: a BitTorrent v2 implementation that owes us nothing. */
const python = "/usr/bin/python3";

function runPython(...args: string[]): string | undefined {
  try {
    const { success, stdout, stderr } = new Deno.Command(python, { args }).outputSync();
    if (success) return new TextDecoder().decode(stdout);
    if (new TextDecoder().decode(stderr).includes("No module named 'libtorrent'")) return undefined;
    throw new Error(new TextDecoder().decode(stderr));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const isThere = runPython("-c", "import libtorrent") !== undefined;
if (!isThere) console.log("skipped: libtorrent_test needs /usr/bin/python3 with libtorrent (python3-libtorrent)");

Deno.test({
  name: "hashFile() finds the roots and piece layers that libtorrent finds",
  ignore: !isThere,
  async fn() {
    using folder = tempFolder();
    const sizes = [1, 16 * kib + 1, 256 * kib, 256 * kib + 1, 5 * 256 * kib - 3, 20 * mib + 77];
    const paths: string[] = [];
    for (const bytes of sizes) {
      paths.push(`${folder.path}/${bytes}`);
      Deno.writeFileSync(paths.at(-1)!, pattern(bytes));
    }
    // Sparse, so that pieces of 512 KiB cost no disk.
    sizes.push(256 * mib + 50_000);
    paths.push(`${folder.path}/large`);
    {
      using file = Deno.createSync(paths.at(-1)!);
      file.truncateSync(sizes.at(-1)!);
      file.seekSync(100 * mib, Deno.SeekMode.Start);
      file.writeSync(pattern(mib));
    }
    const script = fromFileUrl(import.meta.resolve("./pieces_root.py"));
    const args = paths.flatMap((path, i) => [String(pieceBytesFor(sizes[i]!)), path]);
    const theirs = runPython(script, ...args)!.trim().split("\n");
    for (const [i, path] of paths.entries()) {
      const { content, layer } = await hashFile(path);
      const ours = `${content.id} ${layer.length === 32 ? "-" : formatHex(layer)}`;
      assertEquals(ours, theirs[i]!, `${sizes[i]} bytes`);
    }
  },
});
