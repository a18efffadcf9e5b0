/** ARCHITECTURE.md names files and functions that are there, and the imports that check_layers grants. */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Library } from "../../lib/content/library.ts";
import { migrations } from "../../lib/coordinator/store/sqlite_schema.ts";
import { fetchStoreSchema } from "../../lib/peer/fetch_store.ts";
import { layers } from "../../scripts/check_layers.ts";

const root = new URL("../../", import.meta.url);
const lines = (await Deno.readTextFile(new URL("ARCHITECTURE.md", root))).split("\n");

/** The rows of the table under a heading, as cells. */
function rows(heading: string): string[][] {
  const start = lines.indexOf(`## ${heading}`);
  assert(start >= 0, heading);
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith("## "));
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length)
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
}

Deno.test("every path in ARCHITECTURE.md is there", async () => {
  const paths = lines.join("\n").matchAll(/`((?:lib|tests|scripts|docs)(?:\/[\w.]+)*|\w+\.ts)`/g);
  for (const [, path] of paths) await Deno.stat(new URL(path!, root));
});

Deno.test("every function that ARCHITECTURE.md follows is in its file", async () => {
  let count = 0;
  for (const [, where] of [...rows("One datagram"), ...rows("One login"), ...rows("One piece")]) {
    let code = "";
    for (const [, word] of where!.matchAll(/`([^`]+)`/g)) {
      if (word!.includes("/")) {
        code = await Deno.readTextFile(new URL(word!, root));
      } else {
        assert(new RegExp(`(^|[\\s*.])${word}(<|\\(| \\{)`, "m").test(code), `${where} has no ${word}`);
        count++;
      }
    }
  }
  assert(count > 20);
});

Deno.test("the schemas that ARCHITECTURE.md tells are those of the code", async () => {
  const table = new Map(rows("What is on disk").map(([file, , schema]) => [file!.replaceAll("`", ""), schema!]));
  const folder = await Deno.makeTempDir({ prefix: "shoal-" });
  try {
    Library.open({ stateFolder: folder, cacheFolder: folder, entryHash: () => new Uint8Array(32) }).close();
    const schemaOf = (name: string) => {
      using db = new DatabaseSync(`${folder}/${name}`);
      return String(db.prepare("PRAGMA user_version").get()!["user_version"]);
    };
    assertEquals(table.get("state/library.db"), schemaOf("library.db"));
    assertEquals(table.get("cache/hashes.db"), schemaOf("hashes.db"));
    assertEquals(table.get("state/fetches.db"), String(fetchStoreSchema.migrations.length));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assertEquals(table.get("coordinator.db"), String(migrations.length));
});

Deno.test("the import table of ARCHITECTURE.md is that of check_layers, for the folders that are there", () => {
  const isThere = (folder: string) => {
    try {
      return Deno.statSync(new URL(`lib/${folder}/`, root)).isDirectory;
    } catch {
      return false;
    }
  };
  const code = Object.entries(layers)
    .filter(([folder]) => isThere(folder) && !folder.startsWith("std/"))
    .map(([folder, { lib }]) => [`\`${folder}\``, lib.filter(isThere).join(", ") || "–"]);
  assertEquals(rows("Who imports whom"), code);
});
