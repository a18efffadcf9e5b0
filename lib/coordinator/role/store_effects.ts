/**
 * store_effects: what the role asks of the store, and what the store answers. Laws: 1) the role waits for nothing: it emits an
 * operation with a token and goes on; the answer comes back as an input;  2) a write is answered only when its group is
 * synced to disk;  3) rows come in the order of an ever-growing number, so a cursor is the last number, never an offset.
 * (pure: types alone)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { ErrorCode, Result } from "../../core/errors.ts";
import type { Content, DeviceId } from "../../core/ids.ts";
import type { SearchMode, ShareEntry, ShareScope } from "../../wire/message.ts";

/** An account key as stored: the public half, and the private half sealed under OPAQUE's export key. */
export interface StoredAccountKey {
  readonly publicKey: Bytes;
  readonly sealed: Bytes;
}

/** A failure that a peer may be told. */
export interface StoreRefusal {
  readonly code: ErrorCode;
  readonly text: string;
}

/** Every operation, with its parameters and its answer. `device` is the store's row number of a device of an account. */
export interface StoreOperations {
  /** Looks an account up for a login. An unknown name answers `record: null`, after the same work. */
  credential: {
    readonly write: false;
    readonly ask: { readonly account: string; readonly deviceId: DeviceId | null };
    readonly answer: {
      /** The OPAQUE registration record in the library's base64url; null if there is no such account. */
      readonly record: string | null;
      readonly disabled: boolean;
      /** Whether `deviceId` is enrolled in this account. */
      readonly deviceKnown: boolean;
    };
  };
  /** Puts a device of an account, or finds it by its key; gives it the wished label or the next free one (`vm-2`). */
  enrolDevice: {
    readonly write: true;
    readonly ask: {
      readonly account: string;
      readonly deviceId: DeviceId;
      readonly label: string;
      readonly certificate: Bytes;
      readonly nowMs: number;
    };
    readonly answer: {
      readonly device: number;
      readonly label: string;
      readonly accountKey: StoredAccountKey | null;
      /** Whether `accountKey` has signed this device. */
      readonly enrolled: boolean;
      /** XOR of the hashes of the device's shares that are not withdrawn (session/share_digest). */
      readonly shareDigest: Bytes;
      readonly withdrawn: number;
    };
  };
  /** Stores the account key if there is none, and the signature if it is by the stored key (the role verified it against `accountKey`). */
  putAccountKey: {
    readonly write: true;
    readonly ask: {
      readonly account: string;
      readonly device: number;
      readonly accountKey: StoredAccountKey;
      readonly signature: Bytes;
    };
    readonly answer: { readonly accountKey: StoredAccountKey; readonly enrolled: boolean };
  };
  /** Adds shares; one of the same name at the device is replaced, also a withdrawn one. */
  share: {
    readonly write: true;
    readonly ask: { readonly device: number; readonly entries: readonly ShareEntry[]; readonly nowMs: number };
    readonly answer: {
      readonly shareDigest: Bytes;
      /** Contents that the device no longer shares under any name. */
      readonly ended: readonly Content[];
    };
  };
  /**
   * Removes by name. At the asking device the row goes; with scope `account` shares of the account's other devices are marked withdrawn
   * until that device has removed them itself.
   */
  remove: {
    readonly write: true;
    readonly ask: { readonly device: number; readonly names: readonly string[]; readonly scope: ShareScope };
    readonly answer: {
      /** Distinct (device, name) pairs that ended. */
      readonly count: number;
      /** Every device whose list changed, with its new digest and the contents that it no longer shares. */
      readonly devices: readonly {
        readonly device: number;
        readonly shareDigest: Bytes;
        readonly ended: readonly Content[];
      }[];
    };
  };
  /** Notes presence: search counts online devices alone. Kept in memory, except `changedAtMs`, which is not urgent. */
  presence: {
    readonly write: true;
    readonly ask: { readonly device: number; readonly online: boolean; readonly nowMs: number };
    readonly answer: null;
  };
  listPeers: {
    readonly write: false;
    readonly ask: { readonly after: number; readonly limit: number };
    readonly answer: readonly {
      readonly row: number;
      readonly account: string;
      readonly label: string;
      readonly online: boolean;
      readonly changedAtMs: number;
    }[];
  };
  /** Files of the asking device's account, one row per (name, content), or of the device itself (then with `withdrawn` ones). */
  listFiles: {
    readonly write: false;
    readonly ask: {
      readonly device: number;
      readonly scope: ShareScope;
      readonly after: number;
      readonly limit: number;
    };
    readonly answer: readonly FileRow[];
  };
  /** Files that an online device shares now, one row per (name, content). */
  search: {
    readonly write: false;
    readonly ask: {
      readonly mode: SearchMode;
      readonly pattern: string;
      readonly after: number;
      readonly limit: number;
    };
    /**
     * `next` is the row that the next answer begins behind, 0 at the end. One answer does a bounded amount of work, so there may
     * be a next one behind few rows, or none.
     */
    readonly answer: { readonly rows: readonly FileRow[]; readonly next: number };
  };
  /**
   * Online and enrolled devices that share a content, whatever the name; never the asking device itself. They come as a round: by growing
   * numbers from `start` on, then from the lowest one up to it.
   */
  locate: {
    readonly write: false;
    readonly ask: {
      readonly content: Content;
      readonly askingDevice: number;
      /**
       * Where the round goes on, null if it is over: behind the device `after`, 0 for its beginning. With `start` 0 the store begins it
       * at the `pick`-th of those devices (modulo their number, or limits.holdersDealtMax).
       */
      readonly round: { readonly start: number; readonly pick: number; readonly after: number } | null;
      /** Enrolled devices to tell of besides, in this order, once the round is over; none if nobody shares the content. */
      readonly known: readonly number[];
      readonly limit: number;
    };
    readonly answer: {
      readonly start: number;
      /** At most `limit`; fewer: the round is over. */
      readonly round: readonly HolderRow[];
      readonly known: readonly HolderRow[];
    };
  };
  /** A share of each of these contents at one device, null where it has none. */
  sharesOf: {
    readonly write: false;
    readonly ask: { readonly device: number; readonly contents: readonly Content[] };
    readonly answer: readonly (number | null)[];
  };
  account: {
    readonly write: false;
    readonly ask: { readonly account: string };
    /** The canonical name and its public key; undefined if there is no such account. */
    readonly answer: { readonly account: string; readonly publicKey: Bytes | null } | undefined;
  };
}

/** A device that may be named to somebody who wants a content. */
export interface HolderRow {
  /** The device's row number. */
  readonly device: number;
  /** Its share of the content; of a device that has none, somebody's. */
  readonly share: number;
  /** Whether it shares the content itself. */
  readonly whole: boolean;
  readonly account: string;
  readonly label: string;
  readonly deviceId: DeviceId;
  readonly accountKey: Bytes;
  readonly deviceSignature: Bytes;
  readonly certificate: Bytes;
}

export interface FileRow {
  readonly row: number;
  readonly name: string;
  readonly content: Content;
  /** Online devices with this content under this name. */
  readonly holders: number;
  readonly withdrawn: boolean;
}

export type StoreOperation = keyof StoreOperations;
/** One operation as the role emits it. */
export type StoreAsk = {
  [O in StoreOperation]: { readonly operation: O; readonly ask: StoreOperations[O]["ask"] };
}[StoreOperation];
/** What an operation answers: its value, or a refusal (a limit, a store that failed). */
export type StoreAnswer<O extends StoreOperation> = Result<StoreOperations[O]["answer"], StoreRefusal>;

/** The operations that change something and are answered after the sync of their group. */
export const storeWrites: { readonly [O in StoreOperation]: StoreOperations[O]["write"] } = {
  credential: false,
  enrolDevice: true,
  putAccountKey: true,
  share: true,
  remove: true,
  presence: true,
  listPeers: false,
  listFiles: false,
  search: false,
  locate: false,
  sharesOf: false,
  account: false,
};
