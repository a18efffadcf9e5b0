import { assertEquals } from "@std/assert";
import { limits } from "../../lib/core/limits.ts";
import { filesToReuse } from "../../lib/peer/reuse_files.ts";
import { manifestOf, pattern, tempFolder } from "../content/fixtures.ts";

const manifest = manifestOf(pattern(limits.pieceBytesMin + 1));

Deno.test("filesToReuse() takes the target first, regular files alone, each once, no partial one, and few", () => {
  using folder = tempFolder();
  const path = (name: string) => `${folder.path}/${name}`;
  for (const name of ["target", "a", "b.part", "c", "d", "e"]) {
    Deno.writeFileSync(path(name), pattern(limits.blockBytes));
  }
  Deno.writeFileSync(path("tiny"), pattern(5));
  Deno.symlinkSync(path("a"), path("link"));
  const shared = ["none", "tiny", "link", "b.part", "a", "target", "a", "c", "d", "e"].map(path);
  assertEquals(
    filesToReuse(path("target"), manifest, () => [...shared, folder.path]),
    ["target", "a", "c", "d"].map(path),
  );
  assertEquals(filesToReuse(path("none"), manifest, () => []), []);
});

Deno.test("filesToReuse() asks for nothing where the content is one piece", () => {
  const shared = () => {
    throw new Error("asked");
  };
  assertEquals(filesToReuse("/target", manifestOf(pattern(limits.pieceBytesMin)), shared), []);
});
