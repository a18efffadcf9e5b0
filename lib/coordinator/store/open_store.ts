/** open_store: chooses the engine. Law: a coordinator with a file does not load what one with a database needs. */

import { limits } from "../../core/limits.ts";
import { openSqliteStore } from "./sqlite_store.ts";
import type { Store, StoreBounds, StorePlace } from "./store.ts";

/**
 * Opens the store at a place, making its tables or bringing them to the present schema if need be.
 * @throws {ShoalError} If it is damaged, of a newer schema, another program's, or cannot be reached.
 */
export async function openStore(place: StorePlace, bounds: StoreBounds = limits): Promise<Store> {
  if (typeof place === "string") return openSqliteStore(place, bounds);
  const { openPostgresStore } = await import("./postgres_store.ts");
  return await openPostgresStore(place.url, place.leaseMs, bounds, place.as);
}
