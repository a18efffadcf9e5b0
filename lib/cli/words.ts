/**
 * words: a line typed at the prompt as words, and words as a line again. Laws: 1) quoting is as in a shell: "…" with \" and \\,
 * '…' as it stands, a backslash before any character;  2) nothing is expanded but a leading ~: globs are the network's;
 * 3) what `quoteWord` writes, `scanWords` reads back.  Spec: docs/cli.md "The prompt".  (pure)
 */

import { escapeText } from "../core/escape.ts";

export interface Word {
  readonly text: string;
  /** Where it starts in the line, its quote included. */
  readonly start: number;
  /** Whether it begins with a bare `~` or `~/`, which stands for the home folder. */
  readonly isHome: boolean;
}

export interface Scanned {
  readonly words: readonly Word[];
  /** The quote, or the backslash, that the line ends inside of. */
  readonly open: string | undefined;
  /** Whether the line ends in the last word, so that typing on would make it longer. */
  readonly inWord: boolean;
}

/** Splits a line into words. */
export function scanWords(line: string): Scanned {
  const words: Word[] = [];
  let text: string | undefined;
  let start = 0;
  let isHome = false;
  let quote: string | undefined;
  let escaping = false;
  const finish = () => {
    if (text !== undefined) words.push({ text, start, isHome });
    text = undefined;
  };
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!;
    if (escaping) {
      // Inside "…" a backslash is special before " and \ alone.
      text += quote !== undefined && character !== '"' && character !== "\\" ? `\\${character}` : character;
      escaping = false;
      continue;
    }
    if (quote === undefined && /\s/.test(character)) {
      finish();
      continue;
    }
    if (text === undefined) {
      text = "";
      start = at;
      isHome = /^~(?:[/\s]|$)/.test(line.slice(at));
    }
    if (character === "\\" && quote !== "'") escaping = true;
    else if (character === quote) quote = undefined;
    else if (quote === undefined && (character === '"' || character === "'")) quote = character;
    else text += character;
  }
  const inWord = text !== undefined;
  finish();
  return { words, open: quote ?? (escaping ? "\\" : undefined), inWord };
}

/** Writes a word so that the prompt reads it back as it is. */
export function quoteWord(text: string): string {
  if (/^[\p{L}\p{N}_.,/:@%+=*?[\]-]+$/u.test(text)) return text;
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Writes a word so that a POSIX shell reads it back as it is and a terminal is not harmed by it. */
export function shellQuote(text: string): string {
  if (/^[\p{L}\p{N}_.,/:@%+=-]+$/u.test(text)) return text;
  if (escapeText(text) === text) return `'${text.replaceAll("'", `'\\''`)}'`;
  const quoted = text.replace(/['\\]/g, "\\$&").replace(/[^\x20-\x7e]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x80 ? `\\x${hex(code, 2)}` : code <= 0xffff ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
  });
  return `$'${quoted}'`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
