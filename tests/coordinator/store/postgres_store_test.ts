import { openPostgresStore } from "../../../lib/coordinator/store/postgres_store.ts";
import { testAccounts } from "./account_conformance.ts";
import { type Place, testStore } from "./conformance.ts";
import { postgresBinaries, type RealPostgres, startPostgres } from "./real_postgres.ts";
import { testSearch } from "./search_conformance.ts";

let server: RealPostgres;

async function makePlace(): Promise<Place> {
  return { place: await server.createDatabase(), [Symbol.asyncDispose]: () => Promise.resolve() };
}

if (postgresBinaries !== undefined) {
  Deno.test.beforeAll(async () => {
    server = await startPostgres();
  });
  Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());
  for (const suite of [testStore, testAccounts, testSearch]) {
    suite("PostgresStore", makePlace, (url, bounds) => openPostgresStore(url, 60_000, bounds));
  }
}
