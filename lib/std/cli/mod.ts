/** cli: what the programs need of @std/cli. */

export * from "./parse_args.ts";
export * from "./prompt_secret.ts";
