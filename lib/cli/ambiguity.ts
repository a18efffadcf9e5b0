/** ambiguity: a name that stands for several contents, as a question to a person and as what the answer makes of a fetch.  (pure) */

import type { Command, FetchTarget, PeerEvent } from "../peer/commands.ts";
import { isGlob } from "../peer/glob.ts";

/** What is to be asked. */
export type Ambiguous = Extract<PeerEvent, { type: "ambiguous" }>;

export type FetchCommand = Extract<Command, { command: "fetch" }>;

/** The question, after its choices were shown. */
export function questionText(question: Ambiguous): string {
  return `Which one (1-${question.choices.length}, Enter for none)? `;
}

/** Reads an answer: the target chosen, "none", or undefined for what is no answer. */
export function readAnswer(question: Ambiguous, answer: string): FetchTarget | "none" | undefined {
  const text = answer.trim();
  if (text === "") return "none";
  const choice = /^\d{1,6}$/.test(text) ? question.choices[Number(text) - 1] : undefined;
  if (choice === undefined) return undefined;
  return { file: { name: choice.name, id: choice.id, bytes: choice.bytes } };
}

/**
 * Puts the chosen file in the place of the name that was asked about. Where no target is that name, a glob met it: then the
 * choice stands for the glob, since the rest of it cannot be named here.
 */
export function withChoice(command: FetchCommand, question: Ambiguous, chosen: FetchTarget): FetchCommand {
  const isName = (target: FetchTarget) =>
    "pattern" in target && target.pattern.normalize("NFC") === question.name.normalize("NFC");
  const isPattern = (target: FetchTarget) => "pattern" in target && isGlob(target.pattern);
  const isMeant = command.targets.some(isName) ? isName : isPattern;
  return { ...command, targets: [...command.targets.filter((target) => !isMeant(target)), chosen] };
}
