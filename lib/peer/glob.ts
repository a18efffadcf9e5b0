/** glob: which words are patterns, for those who find, watch and fetch alike.  (pure) */

/** Tells whether a word is a glob. */
export function isGlob(word: string): boolean {
  return /[*?[]/.test(word);
}
