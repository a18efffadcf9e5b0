/**
 * pattern: how a search pattern is compared with a name, and which parts of it an index of trigrams can find. Laws:
 * 1) comparing takes time linear in pattern times name, whatever the pattern (no backtracking but to the last star);
 * 2) the literals are necessary, not sufficient: whoever uses the index compares with `matches` too.
 * Spec: PROTOCOL.md "Search".  (pure)
 */

/** A pattern made ready. */
export interface Pattern {
  /** Texts of at least three characters that every matching folded name holds; empty: the index cannot help. */
  readonly literals: readonly string[];
  /** How often each character of a name is looked at, at the worst. */
  readonly looks: number;
  /** Compares a name, as it is stored. */
  matches(name: string): boolean;
  /** The same for one that is folded already. */
  matchesFolded(name: string): boolean;
}

/** What an index of trigrams needs at least. */
const indexedCharacters = 3;

/** Folds a name for comparing: case does not matter, nor whether an accent is a character of its own. */
export function foldName(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

/** A pattern that is found anywhere in a name. */
export function substringPattern(text: string): Pattern & { readonly folded: string } {
  const folded = foldName(text);
  const matchesFolded = (name: string) => name.includes(folded);
  return {
    literals: indexable([folded]),
    looks: 1,
    folded,
    matches: (name) => matchesFolded(foldName(name)),
    matchesFolded,
  };
}

/**
 * A pattern that is the whole name: `*` stands for any characters, `/` too, `?` for one, `[a-z]` and `[!a-z]` for one of a class. A
 * bracket that is never closed is a plain character.
 */
export function globPattern(text: string): Pattern {
  const tokens = parseGlob([...foldName(text)]);
  const literals: string[] = [];
  let literal = "";
  for (const token of [...tokens, "any" as const]) {
    if (typeof token === "object" && "character" in token) {
      literal += token.character;
    } else {
      if (literal !== "") literals.push(literal);
      literal = "";
    }
  }
  return {
    literals: indexable(literals),
    looks: tokens.length,
    matches: (name) => globMatches(tokens, [...foldName(name)]),
    matchesFolded: (name) => globMatches(tokens, [...name]),
  };
}

type GlobToken =
  | "many"
  | "any"
  | { readonly character: string }
  | { readonly ranges: readonly (readonly [string, string])[]; readonly negated: boolean };

function indexable(literals: readonly string[]): string[] {
  return literals.filter((one) => [...one].length >= indexedCharacters);
}

function parseGlob(pattern: readonly string[]): GlobToken[] {
  const tokens: GlobToken[] = [];
  for (let at = 0; at < pattern.length;) {
    const character = pattern[at++]!;
    if (character === "*") {
      if (tokens.at(-1) !== "many") tokens.push("many");
    } else if (character === "?") {
      tokens.push("any");
    } else if (character === "[") {
      const parsed = parseClass(pattern, at);
      tokens.push(parsed?.token ?? { character });
      at = parsed?.next ?? at;
    } else {
      tokens.push({ character });
    }
  }
  return tokens;
}

/** Parses what follows `[`; a `]` that comes first is a member. */
function parseClass(pattern: readonly string[], start: number): { token: GlobToken; next: number } | undefined {
  let at = start;
  const negated = pattern[at] === "!" || pattern[at] === "^";
  if (negated) at++;
  const ranges: [string, string][] = [];
  for (let first = true; at < pattern.length; first = false) {
    const low = pattern[at++]!;
    if (low === "]" && !first) return { token: { ranges, negated }, next: at };
    const high = pattern[at] === "-" && pattern[at + 1] !== undefined && pattern[at + 1] !== "]"
      ? pattern[at + 1]!
      : low;
    if (high !== low) at += 2;
    ranges.push([low, high]);
  }
  return undefined;
}

/** Greedy comparison that goes back to the last star alone. */
function globMatches(tokens: readonly GlobToken[], name: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    const one = tokens[token];
    if (one === "many") {
      star = token++;
      starAt = at;
    } else if (one !== undefined && characterMatches(one, name[at]!)) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (tokens[token] === "many") token++;
  return token === tokens.length;
}

function characterMatches(token: Exclude<GlobToken, "many">, character: string): boolean {
  if (token === "any") return true;
  if ("character" in token) return token.character === character;
  const point = character.codePointAt(0)!;
  const inside = token.ranges.some(([low, high]) => low.codePointAt(0)! <= point && point <= high.codePointAt(0)!);
  return inside !== token.negated;
}
