/**
 * session: a running peer that a test asks one command after the other through its standard input, which costs one start for all of
 * them.
 */

import type { Line, Program, Stage } from "../../scripts/programs.ts";

export class Session {
  readonly program: Program;

  private constructor(program: Program) {
    this.program = program;
  }

  /** Starts a peer that reads commands, and waits until it is logged in. */
  static async open(stage: Stage, account: string, home = account): Promise<Session> {
    const program = stage.peer(account, [], { home, isTypedTo: true });
    await program.ready();
    return new Session(program);
  }

  /** Runs a command, any but `status`, and answers its lines. */
  async run(command: string): Promise<Line[]> {
    const before = this.program.lines.length;
    // Commands run one after the other, so the answer to the second marks the end of the first.
    this.program.type(`${command}\nstatus\n`);
    const end = await this.program.line((line) => line.type === "status", before);
    return this.program.lines.slice(before, this.program.lines.indexOf(end));
  }
}
