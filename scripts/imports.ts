/**
 * imports: which modules a TypeScript source asks for. Reads tokens, not lines, so that comments, texts and patterns which
 * look like imports count for nothing. Types count like values, and so do the workers that a source starts.  (pure)
 */

/** One import, export-from, dynamic import, `import.meta.resolve("…")` or `new URL("…", import.meta.url)`. */
export interface Import {
  /** What the source asks for; undefined where only the running program could tell. */
  readonly specifier: string | undefined;
  /** Counted from 1. */
  readonly line: number;
}

/** Lists what a source imports, in its order. */
export function parseImports(source: string): Import[] {
  const tokens = tokenize(source);
  const imports: Import[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const found = importAt(tokens, at);
    if (found) imports.push({ specifier: found.text, line: tokens[at]!.line });
  }
  return imports;
}

interface Token {
  /** A `string` is a literal without its quotes; a template counts as one if it holds no expression. */
  readonly kind: "word" | "string" | "sign" | "literal";
  readonly text: string;
  readonly line: number;
}

/** The specifier of the import that starts at a token; its text is undefined if it is computed. */
function importAt(tokens: readonly Token[], at: number): { readonly text: string | undefined } | undefined {
  const is = (offset: number, text: string) => tokens[at + offset]?.text === text && !isLiteral(tokens[at + offset]);
  const next = tokens[at + 1];
  if (isLiteral(tokens[at]) || is(-1, ".") || !next) return undefined;
  if (is(0, "import")) {
    if ([".", "meta", ".", "resolve", "("].every((text, offset) => is(offset + 1, text))) {
      return { text: tokens[at + 6]?.kind === "string" ? tokens[at + 6]!.text : undefined };
    }
    if (is(1, ".") || is(1, ":")) return undefined;
    if (next.kind === "string") return { text: next.text };
    if (!is(1, "(")) return fromClause(tokens, at + 1);
    const target = tokens[at + 2];
    const whole = is(3, ")") || is(3, ",");
    return { text: target?.kind === "string" && whole ? target.text : undefined };
  }
  if (is(0, "export") && (is(1, "{") || is(1, "*") || is(1, "type") && (is(2, "{") || is(2, "*")))) {
    return fromClause(tokens, at + 1);
  }
  const url = ["new", "URL", "("].every((text, offset) => is(offset, text));
  const target = tokens[at + 3];
  if (url && target?.kind === "string" && [",", "import", ".", "meta"].every((text, offset) => is(offset + 4, text))) {
    return { text: target.text };
  }
}

/** Finds `from "…"` behind the names of an import or export; an export may have none. */
function fromClause(tokens: readonly Token[], start: number): { readonly text: string } | undefined {
  for (let at = start; at < tokens.length; at++) {
    const { kind, text } = tokens[at]!;
    const next = tokens[at + 1];
    if (kind === "word" && text === "from" && next?.kind === "string") return { text: next.text };
    if (kind === "literal" || kind === "sign" && !["{", "}", ",", "*"].includes(text)) return undefined;
    if (text === "}" && next?.text !== "from") return undefined;
  }
}

function isLiteral(token: Token | undefined): boolean {
  return token?.kind === "string" || token?.kind === "literal";
}

const blank = /\s+|\/\/[^\n]*|\/\*[^]*?\*\//y;
const word = /[\p{ID_Start}$_#][\p{ID_Continue}$]*/uy;
const number = /\d[\w.]*/y;
const quoted = /"(?:[^"\\\n]|\\[^])*"?|'(?:[^'\\\n]|\\[^])*'?/y;
const pattern = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const templatePart = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y;

/** Words after which a slash starts a pattern and does not divide. */
const beforePattern = new Set(["return", "typeof", "case", "in", "of", "delete", "void", "throw", "await", "yield"]);

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open template expression, how many braces are open in it. */
  const templates: number[] = [];
  let at = 0;
  let line = 1;

  function take(expression: RegExp): string | undefined {
    expression.lastIndex = at;
    const text = expression.exec(source)?.[0];
    if (text === undefined) return undefined;
    at += text.length;
    line += text.split("\n").length - 1;
    return text;
  }

  /** Reads a template from behind its backtick or a closed expression, up to its end or the next expression. */
  function takeTemplate(kind: "string" | "literal", startLine: number): void {
    const text = take(templatePart)!;
    if (source.startsWith("${", at)) {
      at += 2;
      templates.push(0);
      tokens.push({ kind: "literal", text, line: startLine });
      return;
    }
    at += 1;
    tokens.push({ kind, text, line: startLine });
  }

  while (at < source.length) {
    const startLine = line;
    const push = (kind: Token["kind"], text: string) => tokens.push({ kind, text, line: startLine });
    if (take(blank) !== undefined) continue;
    let text = take(word);
    if (text !== undefined) push("word", text);
    else if ((text = take(number)) !== undefined) push("literal", text);
    else if ((text = take(quoted)) !== undefined) push("string", text.slice(1, -1));
    else if (startsPattern(tokens.at(-1)) && (text = take(pattern)) !== undefined) push("literal", text);
    else {
      const sign = source[at++]!;
      if (sign === "`") {
        takeTemplate("string", startLine);
        continue;
      }
      if (sign === "}" && templates.at(-1) === 0) {
        templates.pop();
        takeTemplate("literal", startLine);
        continue;
      }
      if (templates.length > 0 && sign === "{") templates[templates.length - 1]!++;
      if (templates.length > 0 && sign === "}") templates[templates.length - 1]!--;
      push("sign", sign);
    }
  }
  return tokens;
}

function startsPattern(before: Token | undefined): boolean {
  if (!before) return true;
  if (before.kind === "word") return beforePattern.has(before.text);
  return before.kind === "sign" && ![")", "]", "}"].includes(before.text);
}
