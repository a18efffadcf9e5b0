/** prompt_secret: a password from the terminal, which shows how much was typed and not what. */

/** Options of {@linkcode promptSecret}. */
export type PromptSecretOptions = {
  /** Shown for each byte typed; an empty text shows nothing. */
  mask?: string;
  /** Takes the prompt away afterwards, instead of ending its line. */
  clear?: boolean;
};

const clearLine = "\r\x1b[K";
const lineUp = "\r\x1b[1F";

/**
 * Asks on standard output and reads a line from the terminal without showing it. Blocks the thread. Ctrl-C ends the
 * program as ever: the terminal leaves it to signals.
 *
 * @returns The line, or null where standard input is not a terminal.
 */
export function promptSecret(message = "Secret", options: PromptSecretOptions = {}): string | null {
  const { mask = "*", clear = false } = options;
  if (!Deno.stdin.isTerminal()) return null;
  const { columns } = Deno.consoleSize();
  const prompt = `${message} `;
  // Raw before the question is seen: an answer that comes at once must not be echoed.
  Deno.stdin.setRaw(true, Deno.build.os === "windows" ? undefined : { cbreak: true });
  try {
    show(prompt);
    return readSecret((count, grew) => {
      if (mask === "") return;
      show(grew ? mask : repainted(prompt + mask.repeat(count), columns));
    });
  } finally {
    show(clear ? clearLine : "\n");
    Deno.stdin.setRaw(false);
  }
}

/** Reads up to Enter or the end; `typed` hears how many bytes stand after each key, and whether they became more. */
function readSecret(typed: (count: number, grew: boolean) => void): string {
  const key = new Uint8Array(1);
  const bytes: number[] = [];
  for (;;) {
    const count = Deno.stdin.readSync(key);
    const byte = key[0]!;
    if (!count || byte === 0x0a || byte === 0x0d) return new TextDecoder().decode(new Uint8Array(bytes));
    const erase = byte === 0x08 || byte === 0x7f;
    if (erase) bytes.pop();
    else bytes.push(byte);
    typed(bytes.length, !erase);
  }
}

/** The codes that show a line again after it lost its last sign, also where it then ends on the row above. */
function repainted(line: string, columns: number): string {
  const over = line.length % columns;
  const row = line.slice(-(over || columns));
  return over === 0 && line.length > 0 ? clearLine + lineUp + row : clearLine + row;
}

function show(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
