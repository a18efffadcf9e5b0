/**
 * local: the Unix socket by which commands run through the process that owns a home. Lines of text, each one message. Laws: 1) the
 * socket is for its owner alone (0600, in a folder that is 0700);  2) a line is bounded, so that a stuck writer costs no memory;
 * 3) who listens holds the home's lock: a socket file found there is a dead owner's and is taken over.  (I/O)
 */

import { Buffer } from "node:buffer";
import { utf8 } from "../core/bytes.ts";
import { NetworkError, storeErrorFrom } from "../core/errors.ts";
import { mib } from "../core/limits.ts";
import { reasonOf } from "./address.ts";

/** The longest line, in bytes: a page of results with room to spare. */
const lineBytesMax = mib;

/** One end of a local connection. */
export interface LocalConnection {
  /** Reads the next line without its end; undefined at the end, where the stream broke, or past a line that is too long. */
  readLine(): Promise<string | undefined>;
  /**
   * Writes one line; lines of several callers do not mix.
   * @throws {NetworkError} If the other side is gone.
   * @throws {RangeError} If `text` has a line end or is too long.
   */
  writeLine(text: string): Promise<void>;
  close(): void;
}

export interface LocalListener {
  /** Waits for the next connection; undefined once closed. */
  accept(): Promise<LocalConnection | undefined>;
  /** Stops listening and removes the socket file. */
  close(): void;
}

/**
 * Listens on a socket file. The caller holds the lock that says that no living process does.
 * @throws {StoreError} If the file cannot be made there.
 */
export function listenLocal(path: string): LocalListener {
  let listener: Deno.UnixListener;
  try {
    removeIfThere(path);
    listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o600);
  } catch (error) {
    throw storeErrorFrom(error, "listen on", path);
  }
  let closed = false;
  return {
    async accept() {
      while (!closed) {
        try {
          return connectionOver(await listener.accept());
        } catch (error) {
          if (closed || error instanceof Deno.errors.BadResource) break;
          // Descriptors used up, or a caller that was gone before it was met: the next turn of the loop, not of the microtask queue.
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
      return undefined;
    },
    close() {
      if (closed) return;
      closed = true;
      listener.close();
      removeIfThere(path);
    },
  };
}

/** Connects to the process that owns a home. @throws {NetworkError} If none listens there. */
export async function connectLocal(path: string): Promise<LocalConnection> {
  try {
    return connectionOver(await Deno.connect({ transport: "unix", path }));
  } catch (error) {
    throw new NetworkError(`Cannot connect to ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function connectionOver(connection: Deno.Conn): LocalConnection {
  const buffer = new Uint8Array(64 * 1024);
  /** Whole lines that were read and not yet asked for, and the start of the next one. */
  const lines: string[] = [];
  let parts: Uint8Array[] = [];
  let partBytes = 0;
  let ended = false;
  let closed = false;
  let lastWrite: Promise<void> = Promise.resolve();

  const close = () => {
    ended = true;
    if (closed) return;
    closed = true;
    connection.close();
  };

  const take = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(10, at);
      const part = bytes.slice(at, end < 0 ? bytes.length : end);
      partBytes += part.length;
      if (partBytes > lineBytesMax) {
        close();
        return;
      }
      parts.push(part);
      if (end < 0) return;
      lines.push(Buffer.concat(parts).toString("utf8"));
      parts = [];
      partBytes = 0;
      at = end + 1;
    }
  };

  return {
    async readLine() {
      while (lines.length === 0 && !ended) {
        try {
          const count = await connection.read(buffer);
          if (count === null) ended = true;
          else take(buffer.subarray(0, count));
        } catch {
          ended = true; // Closed here, or the other process died: the end all the same.
        }
      }
      return lines.shift();
    },
    writeLine(text) {
      const bytes = utf8(`${text}\n`);
      if (text.includes("\n") || bytes.length > lineBytesMax) {
        throw new RangeError("Not a line that a local socket carries");
      }
      const write = lastWrite.then(async () => {
        try {
          for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
        } catch (error) {
          throw new NetworkError(`Cannot answer a local command: ${reasonOf(error)}`, { cause: error });
        }
      });
      lastWrite = write.catch(() => {});
      return write;
    },
    close,
  };
}
