/**
 * read_bytes: how much a process has read by now, as Linux counts it: every read of a file, none of a socket. A holder reads each byte
 * that it sends from its file once, so the growth is what it was made to send.  (I/O)
 */

/** Bytes read since the process began; undefined where the system does not tell. */
export async function readBytes(pid: number): Promise<number | undefined> {
  // Deno itself opens nothing below /proc for a program with less than all permissions.
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/io`], stderr: "null" }).output();
  const [, count] = /^rchar: (\d+)$/m.exec(new TextDecoder().decode(stdout)) ?? [];
  return count === undefined ? undefined : Number(count);
}
