import { assertEquals } from "@std/assert";
import { formatCliDocs } from "../../scripts/docs_cli.ts";

Deno.test("docs/cli.md is what scripts/docs_cli.ts writes", async () => {
  const written = await Deno.readTextFile(new URL("../../docs/cli.md", import.meta.url));
  assertEquals(written, await formatCliDocs(), "Run: deno run -q -P=scripts scripts/docs_cli.ts");
});
