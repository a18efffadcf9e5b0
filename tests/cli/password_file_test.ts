import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { readPasswordFile } from "../../lib/cli/password_file.ts";
import { StoreError, UsageError } from "../../lib/core/errors.ts";

Deno.test("readPasswordFile() takes one line without its end, and refuses a file that holds more or nothing", async () => {
  const folder = await Deno.makeTempDir({ prefix: "shoal-password-" });
  try {
    const path = join(folder, "p");
    for (
      const [text, password] of [["secret", "secret"], ["secret\n", "secret"], ["secret\r\n", "secret"], [
        " a b \n",
        " a b ",
      ]]
    ) {
      await Deno.writeTextFile(path, text!);
      assertEquals(readPasswordFile(path), password);
    }
    for (const text of ["", "\n", "a\nb\n"]) {
      await Deno.writeTextFile(path, text);
      assertThrows(() => readPasswordFile(path), UsageError, path);
    }
    assertThrows(() => readPasswordFile(join(folder, "none")), StoreError, "password file");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
