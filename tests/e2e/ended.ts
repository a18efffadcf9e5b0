/** ended: what tests ask of a program that has ended. Every failure shows what the program said. */

import { assert, assertEquals } from "@std/assert";
import type { Ended, Line } from "../../scripts/programs.ts";

/** The lines of one type. */
export function ofType(ended: { readonly lines: readonly Line[] }, type: string): Line[] {
  return ended.lines.filter((line) => line.type === type);
}

/** Asserts that it did what it was asked. */
export function assertDone(ended: Ended): Ended {
  assertEquals(ended.code, 0, said(ended));
  return ended;
}

/** Asserts that it failed with an exit code and, in its last error line, a code; answers that line. */
export function assertFailed(ended: Ended, exitCode: number, code: string): Line {
  const error = ofType(ended, "error").at(-1);
  assertEquals([ended.code, error?.["code"]], [exitCode, code], said(ended));
  assert(!/^ +at /m.test(ended.stderr), `a stack trace: ${said(ended)}`);
  return error!;
}

/** All that it said. */
export function said({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): string {
  return `the program said: ${stdout}${stderr}`;
}
