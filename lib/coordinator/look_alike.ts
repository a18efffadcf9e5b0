/**
 * look_alike: what two names have in common that a person cannot tell apart by looking: their skeleton (UTS #39 §4), by Unicode's table of
 * confusables in `unhomoglyph`. Law: the table is loaded (30 ms) when the first name is registered, not when a coordinator starts.  (pure)
 */

let unhomoglyph: ((text: string) => string) | undefined;

/** Loads the table. Await it before `lookAlikeKey`. */
export async function loadLookAlikes(): Promise<void> {
  unhomoglyph ??= (await import("unhomoglyph")).default;
}

/** The skeleton, whatever the case: `Ida`, `lda` and `1da` have one; `rn` is that of `m`. */
export function lookAlikeKey(name: string): string {
  return lowerSkeleton(lowerSkeleton(name));
}

function lowerSkeleton(text: string): string {
  if (unhomoglyph === undefined) throw new TypeError("loadLookAlikes() has not been awaited");
  return unhomoglyph(text.normalize("NFD")).normalize("NFD").toLowerCase();
}
