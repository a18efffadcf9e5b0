import { assert, assertEquals } from "@std/assert";
import { openDatabase } from "../../../lib/coordinator/store/sqlite_database.ts";
import { IndexMerging } from "../../../lib/coordinator/store/sqlite_merging.ts";

Deno.test("the index of names is merged to one part in small steps, finds the same, and is left alone for a while", () => {
  const folder = Deno.makeTempDirSync({ prefix: "shoal-merging-" });
  try {
    const db = openDatabase(`${folder}/coordinator.db`);
    const parts = () => Number(db.prepare("SELECT count(DISTINCT segid) AS count FROM names_idx").get()!["count"]);
    const found = () => db.prepare("SELECT rowid FROM names WHERE names MATCH '\"name\"' ORDER BY rowid").all().length;
    // So that parts stay as they are made.
    db.exec("INSERT INTO names (names, rank) VALUES ('automerge', 0)");
    const merging = new IndexMerging(db);
    const insert = db.prepare("INSERT INTO names (rowid, name) VALUES (?, ?)");
    const add = (from: number) => {
      for (let i = from; i < from + 12; i++) insert.run(i, `name ${i} ${crypto.randomUUID()}`);
    };
    insert.run(1, "name 1");
    assertEquals(merging.step(0), false, "few parts");
    add(2);
    assert(parts() >= 10);
    let steps = 0;
    while (merging.step(1_000)) steps++;
    assert(steps >= 1);
    assertEquals([parts(), found()], [1, 13]);
    add(20);
    assertEquals(merging.step(2_000), false, "not so soon again");
    while (merging.step(1_000_000));
    assertEquals([parts(), found()], [1, 25]);
    merging.close();
    db.close();
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("merging is put off while somebody writes, for a minute at the most", () => {
  const folder = Deno.makeTempDirSync({ prefix: "shoal-merging-" });
  try {
    const db = openDatabase(`${folder}/coordinator.db`);
    const merging = new IndexMerging(db);
    for (let nowMs = 1_000; nowMs < 61_000; nowMs += 500) assert(merging.wrote(nowMs));
    assertEquals(merging.wrote(61_000), false);
    merging.close();
    db.close();
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
