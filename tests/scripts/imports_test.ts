import { assertEquals } from "@std/assert";
import { parseImports } from "../../scripts/imports.ts";

function specifiers(source: string): (string | undefined)[] {
  return parseImports(source).map(({ specifier }) => specifier);
}

Deno.test("parseImports() finds every form of import, in order and with its line", () => {
  const source = `import "./effect.ts";
import whole, { type A, b as c } from './names.ts';
import * as all from "npm:x@1";
import type { T } from "../types.ts";
import data from "./data.json" with { type: "json" };
export * from "./star.ts";
export * as ns from "./ns.ts";
export { d, type E } from "./e.ts";
export type { F } from "./f.ts";
const late = await import("./late.ts");
const json = await import("./late.json", { with: { type: "json" } });
const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
const place = import.meta.resolve("./place.ts");
type G = import("./g.ts").G;
const templated = import(\`./templated.ts\`);
export { h } from
  "./h.ts";`;
  assertEquals(parseImports(source).map(({ specifier, line }) => [line, specifier]), [
    [1, "./effect.ts"],
    [2, "./names.ts"],
    [3, "npm:x@1"],
    [4, "../types.ts"],
    [5, "./data.json"],
    [6, "./star.ts"],
    [7, "./ns.ts"],
    [8, "./e.ts"],
    [9, "./f.ts"],
    [10, "./late.ts"],
    [11, "./late.json"],
    [12, "./worker.ts"],
    [13, "./place.ts"],
    [14, "./g.ts"],
    [15, "./templated.ts"],
    [16, "./h.ts"],
  ]);
});

Deno.test("parseImports() lists an import that is computed as one without a specifier", () => {
  assertEquals(specifiers('import(name); import("./a" + name); import(`./${name}.ts`);'), [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("parseImports() takes comments, texts, templates and patterns for no imports", () => {
  assertEquals(
    specifiers(`// import "./a.ts"
/* import "./b.ts";
   export * from "./c.ts"; */
const text = 'import "./d.ts"' + "import(\\"./e.ts\\")";
const template = \`import "./f.ts" \${text + \`import "./g.ts"\`} import("./h.ts")\`;
const pattern = /import "[/"]\\/.ts" from '/g;
const ratio = a / b; const other = c / d;
import.meta.url; object.import("./i.ts"); const { import: x } = y;
export const from = "./j.ts"; export default { from: "./k.ts" }; export { from }; const z = from ? "./l.ts" : "";`),
    [],
  );
});

Deno.test("parseImports() sees an import inside a template's expression, and what follows the template", () => {
  assertEquals(specifiers('`${await import("./a.ts")} ${{ b: `}` }}`; import "./c.ts";'), ["./a.ts", "./c.ts"]);
});

Deno.test("parseImports() reads a source that ends in the middle of anything", () => {
  const source = 'import { a } from "./a.ts"; const b = `x${y}z`; /* c */ const d = /e/; import("./f.ts")';
  for (let length = 0; length < source.length; length++) parseImports(source.slice(0, length));
});
