/**
 * query_pattern: the words of a search together, as one comparison. Laws: 1) every word must be in the name or in one of the descriptions,
 * a glob and a whole name in the name;  2) names are folded once, however many words there are;  3) as `pattern`: the literals are
 * necessary, not sufficient.  Spec: PROTOCOL.md "Search".  (pure)
 */

import type { SearchQuery, SearchTerm } from "../../wire/search_query.ts";
import { foldName, globPattern, substringPattern } from "./pattern.ts";

export interface QueryPattern {
  /** Texts of at least three characters that the folded name, or a description where there are some, must hold. */
  readonly literals: readonly string[];
  /** How often each character of a name is looked at, at the worst. */
  readonly looks: number;
  /** Whether a name without descriptions matches exactly if it holds all literals. */
  readonly isExact: boolean;
  /** Compares a name, as it is stored, and what it is described as. */
  matches(name: string, descriptions: readonly string[]): boolean;
}

/** A word made ready: compares a name, plain and folded, and folded descriptions. */
interface Word {
  readonly literals: readonly string[];
  readonly looks: number;
  readonly isExact: boolean;
  matches(name: string, folded: string, descriptions: readonly string[]): boolean;
}

/** Makes the words and extensions of a query ready; whether the content has an id is not looked at here. */
export function compileQuery({ terms, filter }: SearchQuery): QueryPattern {
  const words = terms.map(compileTerm);
  const endings = filter.extensions.map((one) => foldName(`.${one}`));
  const literals = [...new Set(words.flatMap((word) => word.literals))];
  // A frequent ending beside a rare word would cost more than it saves.
  if (literals.length === 0 && endings.length === 1 && [...endings[0]!].length >= 3) literals.push(endings[0]!);
  return {
    literals,
    looks: words.reduce((sum, word) => sum + word.looks, endings.length > 0 ? 1 : 0),
    isExact: endings.length === 0 && words.every((word) => word.isExact),
    matches(name, descriptions) {
      if (words.length === 0 && endings.length === 0) return true;
      const folded = foldName(name);
      if (endings.length > 0 && !endings.some((ending) => folded.endsWith(ending))) return false;
      if (words.length === 0) return true;
      const texts = descriptions.map(foldName);
      return words.every((word) => word.matches(name, folded, texts));
    },
  };
}

function compileTerm({ mode, pattern }: SearchTerm): Word {
  switch (mode) {
    case "substring": {
      const { literals, looks, folded } = substringPattern(pattern);
      return {
        literals,
        looks,
        isExact: literals.length > 0,
        matches: (_, name, texts) => name.includes(folded) || texts.some((one) => one.includes(folded)),
      };
    }
    case "glob": {
      const glob = globPattern(pattern);
      return {
        literals: glob.literals,
        looks: glob.looks,
        isExact: false,
        matches: (_, name) => glob.matchesFolded(name),
      };
    }
    case "name":
      return { literals: [], looks: 0, isExact: false, matches: (name) => name === pattern };
    case "id":
      return { literals: [], looks: 0, isExact: false, matches: () => true };
  }
}
