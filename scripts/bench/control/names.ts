/**
 * names: the files that the control plane's benchmark fills a catalog with, and what is searched for in it. Laws: 1) a number names
 * one file, always the same;  2) words are as unevenly frequent as in a language (Zipf), numbers are rare.  (pure)
 */

import { hash } from "node:crypto";
import { formatHex } from "../../../lib/core/bytes.ts";
import type { ContentId } from "../../../lib/core/ids.ts";
import type { MessageOf, ShareEntry } from "../../../lib/wire/message.ts";
import { searchFor as questionFor, type SearchQuestion } from "../../../lib/wire/search_query.ts";

const syllables = [
  "ba",
  "ce",
  "di",
  "fo",
  "gu",
  "ha",
  "je",
  "ki",
  "lo",
  "mu",
  "na",
  "pe",
  "ri",
  "so",
  "tu",
  "va",
  "we",
];
const endings = ["mkv", "mp3", "pdf", "zip", "txt", "iso"];
const wordCount = 2_000;
/** The words that count as frequent: each is in half a percent of the names or more. */
const frequentCount = 20;

/** How many of the n-th harmonic number a word of rank n begins at; what is drawn is looked up here. */
const harmonic = new Float64Array(wordCount);
for (let rank = 0, sum = 0; rank < wordCount; rank++) harmonic[rank] = sum += 1 / (rank + 1);

/** Mixes a number to 32 bits that look random. */
function mix(number: number, salt: number): number {
  let bits = Math.imul(number ^ (salt * 0x9e37_79b9), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** The word of a rank; three syllables, no two words alike. */
function word(rank: number): string {
  const base = syllables.length;
  const mixed = (rank * 1_277 + 611) % base ** 3;
  return syllables[mixed % base]! + syllables[Math.floor(mixed / base) % base]! +
    syllables[Math.floor(mixed / base ** 2)]!;
}

function drawWord(number: number, salt: number): string {
  const wanted = mix(number, salt) / 2 ** 32 * harmonic[wordCount - 1]!;
  let [low, high] = [0, wordCount - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (harmonic[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return word(low);
}

function parts(number: number) {
  const [first, second] = [drawWord(number, 1), drawWord(number, 2)];
  return { first, second, digits: String(mix(number, 3) % 10_000_000).padStart(7, "0") };
}

/** The file of a number. */
export function fileEntry(number: number, prefix = ""): ShareEntry {
  const { first, second, digits } = parts(number);
  const name = `${prefix}${first} ${second} ${digits}.${endings[mix(number, 4) % endings.length]}`;
  const id = formatHex(hash("sha256", name, "buffer")) as ContentId;
  return { name, id, bytes: 1 + mix(number, 5) % 1_000_000_000, audience: null, description: "" };
}

/** Which searches are made: all kinds as people mix them, or one frequent word each time. */
export type SearchMix = "mix" | "frequent";

/** The n-th search in a catalog of so many files: its first page, in the order in which the coordinator has them. */
export function searchFor(kind: SearchMix, turn: number, files: number): MessageOf<"search"> {
  return { kind: "search", ...questionOf(kind, turn, files), cursor: new Uint8Array(0) };
}

function questionOf(kind: SearchMix, turn: number, files: number): SearchQuestion {
  const { first, second, digits } = parts(mix(turn, 6) % files);
  const percent = kind === "frequent" ? 0 : mix(turn, 7) % 100;
  if (percent < 50) return questionFor("substring", word(mix(turn, 8) % frequentCount));
  if (percent < 70) return bothWords(first, second);
  if (percent < 85) return questionFor("substring", digits.slice(1));
  if (percent < 95) return questionFor("substring", `${first}${digits}q`);
  return questionFor("glob", `*${first}*${digits.slice(0, 3)}*`);
}

function bothWords(first: string, second: string): SearchQuestion {
  const question = questionFor("substring", first);
  const terms = [...question.query.terms, ...questionFor("substring", second).query.terms];
  return { ...question, query: { ...question.query, terms } };
}
