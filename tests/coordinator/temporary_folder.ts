/** temporary_folder: a folder of a test's own, removed at its end. */

export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

export function temporaryFolder(): TemporaryFolder {
  const path = Deno.makeTempDirSync({ prefix: "shoal-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
