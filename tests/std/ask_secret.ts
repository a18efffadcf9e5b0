/** A program that asks for a secret and prints it as JSON: prompt_secret_test.ts runs it on a terminal. */

import { promptSecret } from "@std/cli/prompt-secret";

const options = JSON.parse(Deno.args[0]!);
console.log(JSON.stringify(promptSecret("Password:", options)));
