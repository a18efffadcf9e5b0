/** invocation_words: what a person types to start this program again, before its arguments.  (pure: the environment is passed in) */

export interface Invocation {
  readonly env: (name: string) => string | undefined;
  /** Where the executable is that `deno compile` made; undefined for any other way of running. */
  readonly standaloneAt: string | undefined;
}

/** The words, not yet quoted. A self-contained executable tells the path that it was called by in SHOAL_EXECUTABLE. */
export function invocationWords(program: "coordinator" | "peer", { env, standaloneAt }: Invocation): readonly string[] {
  const executable = env("SHOAL_EXECUTABLE") || standaloneAt;
  return executable === undefined ? ["deno", "task", "-q", program] : [executable];
}
