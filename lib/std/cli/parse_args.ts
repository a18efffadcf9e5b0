/**
 * parse_args: the command line as values, by the rules of minimist. Laws: 1) after "--" nothing is a flag; 2) a flag that is
 * neither boolean nor followed by another flag takes the next argument; 3) values that look like numbers become numbers,
 * unless the flag is a string; 4) "a.b" is b inside a; 5) nothing reaches a prototype.  (pure)
 */

/** Options of {@linkcode parseArgs}: names of flags without their hyphens. */
export interface ParseOptions<
  TBooleans extends string | undefined = string | undefined,
  TStrings extends string | undefined = string | undefined,
  TCollectable extends string | undefined = string | undefined,
  TNegatable extends string | undefined = string | undefined,
  TDefault extends Record<string, unknown> | undefined = Record<string, unknown> | undefined,
  TAliases extends Aliases | undefined = Aliases | undefined,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /** Keeps what follows "--" apart, under that name; otherwise it is appended to `_`. */
  "--"?: TDoubleDash;
  /** Other names of a flag; a value is set under all of them. */
  alias?: TAliases;
  /** Flags without a value; false unless given. */
  boolean?: TBooleans | readonly Extract<TBooleans, string>[];
  /** Values of flags that are not given. */
  default?: TDefault;
  /** Takes everything after the first argument that is no flag as it stands. */
  stopEarly?: boolean;
  /** Flags whose value stays a text; also "_". */
  string?: TStrings | readonly Extract<TStrings, string>[];
  /** Flags that may be repeated; their values form a list. */
  collect?: TCollectable | readonly Extract<TCollectable, string>[];
  /** Flags that "--no-NAME" sets to false. */
  negatable?: TNegatable | readonly Extract<TNegatable, string>[];
  /** Hears of each argument that no option names, also of those that are no flags; false leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Aliases = Partial<Record<string, string | readonly string[]>>;

type Flat<T> = { [K in keyof T]: T[K] };

/** What the flags become. Aliases and flags that no option names are `unknown`. */
type Flags<B, S, C, N> =
  & { [K in Extract<Exclude<S, C | "_">, string>]?: string | Negated<K, N> }
  & { [K in Extract<Extract<S, C>, string>]: string[] | Negated<K, N> }
  & { [K in Extract<Exclude<B, C>, string>]: boolean }
  & { [K in Extract<Extract<B, C>, string>]: boolean[] };

type Negated<K, N> = K extends N ? false : never;

type Defaulted<T, D> =
  & Omit<T, keyof D>
  & { [K in keyof D]: K extends keyof T ? D[K] | NonNullable<T[K]> : unknown };

/** The value that {@linkcode parseArgs} returns. */
export type Args<
  TArgs extends Record<string, unknown> = Record<string, unknown>,
  TDoubleDash extends boolean | undefined = undefined,
> = Flat<
  & TArgs
  & { _: Array<string | number> }
  & (TDoubleDash extends true ? { "--": string[] } : Record<never, never>)
>;

/** Parses a command line, such as Deno.args. Never throws: what nobody asked for goes through `unknown`. */
export function parseArgs<
  TDoubleDash extends boolean | undefined = undefined,
  TBooleans extends string | undefined = undefined,
  TStrings extends string | undefined = undefined,
  TCollectable extends string | undefined = undefined,
  TNegatable extends string | undefined = undefined,
  TDefaults extends Record<string, unknown> | undefined = undefined,
  TAliases extends Aliases | undefined = undefined,
>(
  args: readonly string[],
  options: ParseOptions<TBooleans, TStrings, TCollectable, TNegatable, TDefaults, TAliases, TDoubleDash> = {},
): Args<
  & Record<string, unknown>
  & Defaulted<
    Flags<TBooleans, TStrings, TCollectable, TNegatable>,
    TDefaults extends undefined ? Record<never, never> : TDefaults
  >,
  TDoubleDash
> {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const parsed = new Parser(options);
  parsed.readAll(args.slice(0, end));
  parsed.complete(options.default ?? {});
  const rest = args.slice(end + 1);
  const result = options["--"]
    ? { ...parsed.flags, _: parsed.words, "--": rest }
    : { ...parsed.flags, _: [...parsed.words, ...rest] };
  // deno-lint-ignore no-explicit-any
  return result as any;
}

type Value = string | number | boolean;

class Parser {
  readonly flags: Record<string, unknown> = {};
  readonly words: Array<string | number> = [];
  readonly #aliases = new Map<string, readonly string[]>();
  readonly #boolean: ReadonlySet<string>;
  readonly #string: ReadonlySet<string>;
  readonly #collect: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  readonly #stopEarly: boolean;
  readonly #unknown: NonNullable<ParseOptions["unknown"]>;

  constructor(options: ParseOptions) {
    for (const [name, value] of Object.entries(options.alias ?? {})) {
      const names = [name, ...[value ?? []].flat()];
      for (const one of names) this.#aliases.set(one, names.filter((other) => other !== one));
    }
    this.#boolean = this.#named(options.boolean);
    this.#string = this.#named(options.string);
    this.#collect = this.#named(options.collect);
    this.#negatable = this.#named(options.negatable);
    this.#stopEarly = options.stopEarly ?? false;
    this.#unknown = options.unknown ?? (() => true);
  }

  /** Reads what stands before "--". */
  readAll(args: readonly string[]): void {
    for (let at = 0; at < args.length; at++) {
      const arg = args[at]!;
      if (arg.length > 1 && arg.startsWith("-")) {
        const tookNext = arg.startsWith("--") ? this.#long(arg, args[at + 1]) : this.#short(arg, args[at + 1]);
        if (tookNext) at++;
        continue;
      }
      if (this.#unknown(arg) !== false) {
        this.words.push(this.#string.has("_") || !isNumber(arg) ? arg : Number(arg));
      }
      if (this.#stopEarly) {
        this.words.push(...args.slice(at + 1));
        return;
      }
    }
  }

  /** Fills in what was not given. */
  complete(defaults: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(defaults)) {
      if (!hasPath(this.flags, name)) this.#put(name, value, false);
    }
    for (const name of this.#boolean) {
      if (!hasPath(this.flags, name)) setPath(this.flags, name, this.#collect.has(name) ? [] : false, false);
    }
    for (const name of this.#string) {
      if (this.#collect.has(name) && !hasPath(this.flags, name)) setPath(this.flags, name, [], false);
    }
  }

  /** `--name=value`, `--no-name`, `--name value`, `--name`. Tells whether it took the next argument. */
  #long(arg: string, next: string | undefined): boolean {
    const negated = arg.startsWith("--no-") && arg.length > 5;
    const text = arg.slice(negated ? 5 : 2);
    const equals = text.indexOf("=", 1);
    if (equals > 0) {
      const name = text.slice(0, equals);
      const value = text.slice(equals + 1);
      this.#set(name, this.#boolean.has(name) ? value !== "false" : value, arg);
      return false;
    }
    if (negated && this.#negatable.has(text)) {
      this.#set(text, false, arg, false);
      return false;
    }
    return this.#withNext(negated ? `no-${text}` : text, arg, next, next?.startsWith("-") ?? false);
  }

  /** `-abc`, `-n5`, `-n=5`, `-n 5`. Tells whether it took the next argument. */
  #short(arg: string, next: string | undefined): boolean {
    for (let at = 1; at < arg.length - 1; at++) {
      const letter = arg[at]!;
      const rest = arg.slice(at + 1);
      const value = rest === "-" ? rest : attachedValue(letter, rest);
      this.#set(letter, value ?? (this.#string.has(letter) ? "" : true), arg);
      if (value !== undefined) return false;
    }
    const last = arg.at(-1)!;
    return last !== "-" && this.#withNext(last, arg, next, /^--?[^-]/.test(next ?? ""));
  }

  #withNext(name: string, arg: string, next: string | undefined, nextIsFlag: boolean): boolean {
    if (next && !nextIsFlag && !this.#boolean.has(name)) {
      this.#set(name, next, arg);
      return true;
    }
    if (next === "true" || next === "false") {
      this.#set(name, next === "true", arg);
      return true;
    }
    this.#set(name, this.#string.has(name) ? "" : true, arg);
    return false;
  }

  #set(name: string, value: Value, arg: string, collect = true): void {
    const known = [this.#boolean, this.#string, this.#collect, this.#aliases].some((names) => names.has(name));
    if (!known && this.#unknown(arg, name, value) === false) return;
    const typed = typeof value === "string" && !this.#string.has(name) && isNumber(value) ? Number(value) : value;
    this.#put(name, typed, collect && this.#collect.has(name));
  }

  #put(name: string, value: unknown, collect: boolean): void {
    for (const one of [name, ...this.#aliases.get(name) ?? []]) setPath(this.flags, one, value, collect);
  }

  /** The names of an option, with their aliases. */
  #named(names: string | readonly string[] | undefined): ReadonlySet<string> {
    return new Set(
      [names ?? []].flat().filter((name) => name).flatMap((name) => [
        name,
        ...this.#aliases.get(name) ?? [],
      ]),
    );
  }
}

/** The value that stands in one argument with its letter, if one does. */
function attachedValue(letter: string, rest: string): string | undefined {
  if (rest === "=") return "";
  if (/[A-Za-z]/.test(letter)) {
    const value = /=(.+)/.exec(rest)?.[1];
    if (value !== undefined) return value;
    if (/\d+(\.\d*)?(e-?\d+)?$/.test(rest)) return rest;
  }
  return rest.length > 1 && /^\W/.test(rest) ? rest : undefined;
}

function isNumber(text: string): boolean {
  return /\S/.test(text) && Number.isFinite(Number(text));
}

type Nested = Record<string, unknown>;

function isNested(value: unknown): value is Nested {
  return typeof value === "object" && value !== null;
}

function hasPath(flags: Nested, path: string): boolean {
  let at: unknown = flags;
  return path.split(".").every((key) => {
    if (!isNested(at) || !Object.hasOwn(at, key)) return false;
    at = at[key];
    return true;
  });
}

function setPath(flags: Nested, path: string, value: unknown, collect: boolean): void {
  const keys = path.split(".");
  if (keys.some((key) => key === "__proto__" || key === "constructor")) return;
  const last = keys.pop()!;
  let at = flags;
  for (const key of keys) {
    if (!Object.hasOwn(at, key)) at[key] = {};
    const inner = at[key];
    if (!isNested(inner)) return;
    at = inner;
  }
  const held = Object.hasOwn(at, last) ? at[last] : undefined;
  if (collect && Array.isArray(held)) held.push(value);
  else at[last] = collect ? held ? [held, value] : [value] : value;
}
