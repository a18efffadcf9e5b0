import { assertEquals } from "@std/assert";
import { workingFolder } from "../../lib/cli/working_folder.ts";

Deno.test("workingFolder() is where the task was called from, if a task moved to the project's folder", () => {
  const env = (name: string) => name === "INIT_CWD" ? "/called/from" : undefined;
  assertEquals(workingFolder("file:///project/peer.ts", "/project", env), "/called/from");
  assertEquals(workingFolder("file:///project/peer.ts", "/elsewhere", env), "/elsewhere");
  assertEquals(workingFolder("file:///project/peer.ts", "/project", () => undefined), "/project");
});
