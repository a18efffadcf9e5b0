/**
 * store_effects: what the role asks of the store, and what the store answers. Laws: 1) the role waits for nothing: it emits an
 * operation with a token and goes on; the answer comes back as an input;  2) a write is answered only when its group is
 * synced to disk;  3) rows come in the order of an ever-growing number, so a cursor is the last number, never an offset.
 * (pure: types alone)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { ErrorCode, Result } from "../../core/errors.ts";
import type { Content, DeviceId } from "../../core/ids.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { Audience } from "../../core/audience.ts";
import type { Role, ShareEntry, ShareScope } from "../../wire/message.ts";
import type { SearchQuestion } from "../../wire/search_query.ts";

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
  /**
   * Looks an account up for a login, or by the name of an invite (`session/invite_code.ts`) one that is neither spent nor revoked. An
   * unknown name answers `record: null`, after the same work.
   */
  credential: {
    readonly write: false;
    readonly ask: { readonly account: string; readonly deviceId: DeviceId | null };
    readonly answer: {
      /** The OPAQUE registration record in the library's base64url; null if there is no such account. */
      readonly record: string | null;
      readonly disabled: boolean;
      /** Whether `deviceId` is enrolled in this account. */
      readonly deviceKnown: boolean;
      /** The X25519 key by which that device logs in; null where it needs the password. */
      readonly loginKey: Bytes | null;
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
      /** The X25519 key by which it is to log in from now on. */
      readonly loginKey: Bytes;
      /**
       * The record that the password was proved against, or null: the login proved that key instead. Refused (`denied`) unless it still is
       * the account's, or the device is there with that key.
       */
      readonly record: string | null;
      readonly nowMs: number;
    };
    readonly answer: {
      /** As it is spelled, and what it may do now. */
      readonly account: string;
      readonly role: Role;
      /** Requests a second that it may make; null: as the coordinator lets everybody. */
      readonly rate: number | null;
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
  /** The devices of an account, in the order of their numbers; none of an account that is not there. */
  listDevices: {
    readonly write: false;
    readonly ask: { readonly account: string; readonly after: number; readonly limit: number };
    readonly answer: readonly DeviceRow[];
  };
  /**
   * Takes from a device its login key and its account's signature: it needs the password again. Its label and shares stay. Refused
   * (`notFound`) where the account has no device of that label.
   */
  revokeDevice: {
    readonly write: true;
    readonly ask: { readonly account: string; readonly label: string };
    readonly answer: { readonly device: number };
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
  /**
   * Adds shares; one of the same name at the device is replaced, also a withdrawn one. One that is for others than before is another
   * share. Names of an audience that mean nobody now reach nobody later.
   */
  share: {
    readonly write: true;
    readonly ask: { readonly device: number; readonly entries: readonly ShareEntry[]; readonly nowMs: number };
    readonly answer: {
      readonly shareDigest: Bytes;
      /** Contents that the device no longer shares under any name. */
      readonly ended: readonly Content[];
      /** Of each content of which a share went and others stand one of these, unless one is for everyone: who saw the one may not see it. */
      readonly narrowed: readonly number[];
      /** The shares that are new rows, in the order of the entries. */
      readonly added: readonly AddedShare[];
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
      /** Every device whose list changed, with its new digest, the contents that it no longer shares, and `narrowed` as of SHARE. */
      readonly devices: readonly {
        readonly device: number;
        readonly shareDigest: Bytes;
        readonly ended: readonly Content[];
        readonly narrowed: readonly number[];
      }[];
    };
  };
  /**
   * Notes presence: search counts online devices alone. Kept in memory, except `changedAtMs`, which is not urgent. `at`: where the device
   * was met by TCP, for who asks another coordinator; null: nowhere, or nobody else needs to know.
   */
  presence: {
    readonly write: true;
    readonly ask: {
      readonly device: number;
      readonly online: boolean;
      readonly at?: Endpoint | null;
      readonly nowMs: number;
    };
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
  /**
   * Files that a device shares now, is online (or `offline` is asked for) and the asking account may see, one row per (name, content).
   * In the order of holders a search with very many candidates is sorted in parts.
   */
  search: {
    readonly write: false;
    readonly ask: SearchQuestion & {
      readonly device: number;
      /** Null for the first answer. */
      readonly after: SearchPlace | null;
      readonly limit: number;
    };
    /**
     * `next` is where the next answer begins, null at the end. One answer does a bounded amount of work, so there may be a next
     * one behind few rows, or none. `isForAll`: whoever asks is answered the same; a store may leave it out.
     */
    readonly answer: {
      readonly rows: readonly FoundRow[];
      readonly next: SearchPlace | null;
      readonly isForAll?: boolean;
    };
  };
  /** For each of these shares those of these devices whose account may see it. */
  sees: {
    readonly write: false;
    readonly ask: { readonly shares: readonly number[]; readonly devices: readonly number[] };
    readonly answer: readonly (readonly number[])[];
  };
  /** Members of an audience that mean nobody: no account, or no group that the asking account is in. */
  unknownAudience: {
    readonly write: false;
    readonly ask: { readonly device: number; readonly audience: Audience };
    readonly answer: Audience;
  };
  /**
   * Online and enrolled devices that share a content, whatever the name, where the asking account may see it; never the asking device
   * itself. They come as a round: by growing numbers from `start` on, then from the lowest one up to it.
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
      /** Enrolled devices to tell of besides, in this order, once the round is over; only those who see a share that the asker sees too. */
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
  /** A share of each of these contents at one device, null where it has none that the asking device's account may see. */
  sharesOf: {
    readonly write: false;
    readonly ask: { readonly device: number; readonly askingDevice: number; readonly contents: readonly Content[] };
    readonly answer: readonly (number | null)[];
  };
  account: {
    readonly write: false;
    readonly ask: { readonly account: string };
    /** The canonical name and its public key; undefined if there is no such account. */
    readonly answer: {
      readonly account: string;
      readonly publicKey: Bytes | null;
      readonly role: Role;
      /** Requests a second that it may make; null: as the coordinator lets everybody. */
      readonly rate: number | null;
    } | undefined;
  };
  /** What an invite is good for; refused (`denied`) where it is not there, spent, or expired. */
  invite: {
    readonly write: false;
    readonly ask: { readonly invite: string; readonly nowMs: number };
    readonly answer: { readonly role: Role };
  };
  /** How a name would be spelled; refused (`usage`) where nobody may be called that, and (`nameTaken`) where somebody is, or looks so. */
  checkName: {
    readonly write: false;
    readonly ask: { readonly account: string };
    readonly answer: { readonly account: string };
  };
  /** Makes an account and spends its invite, or neither: refused as `invite` and `checkName` are. */
  registerAccount: {
    readonly write: true;
    readonly ask: {
      readonly account: string;
      /** OPAQUE's, in the library's base64url. */
      readonly record: string;
      readonly invite: string;
      readonly nowMs: number;
    };
    readonly answer: { readonly account: string };
  };
  /**
   * Puts another record, and the same account key sealed anew; refused (`changed`) unless the record is still `from` and the key the stored
   * one. With `everywhere` no other device of the account can log in without the password.
   */
  changePassword: {
    readonly write: true;
    readonly ask: {
      readonly account: string;
      readonly device: number;
      readonly from: string;
      readonly record: string;
      readonly accountKey: StoredAccountKey | null;
      readonly everywhere: boolean;
    };
    readonly answer: null;
  };
  /** What a change of the password begins with. */
  passwordOf: {
    readonly write: false;
    readonly ask: { readonly account: string };
    readonly answer: { readonly record: string; readonly accountKey: StoredAccountKey | null };
  };
}

/** A device as its account sees it. */
export interface DeviceRow {
  readonly row: number;
  readonly label: string;
  /** Since when its key lets it in; null where it needs the password. */
  readonly enrolledAtMs: number | null;
  readonly online: boolean;
  /** When it last came or went. */
  readonly changedAtMs: number;
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
  /** Where it was met, if another coordinator may have its session. */
  readonly at: Endpoint | null;
}

export interface FileRow {
  readonly row: number;
  readonly name: string;
  readonly content: Content;
  /** Online devices with this content under this name. */
  readonly holders: number;
  readonly withdrawn: boolean;
  /** When the first of those shares that count was made. */
  readonly sharedAtMs: number;
  /** Of the newest of them that has one; else empty. */
  readonly description: string;
  /** Of the newest one, in lists of one's own; null in a search. */
  readonly audience: Audience;
}

/** Where a search goes on: behind a key of its order, and the number that comes behind equal keys. */
export interface SearchPlace {
  readonly key: number | string;
  readonly row: number;
  /** Behind which candidate the part begins that is sorted, in the order of holders; else 0. */
  readonly part: number;
}

export interface FoundRow extends FileRow {
  readonly place: SearchPlace;
}

/** A share that is a new row. */
export interface AddedShare {
  /** Its entry's place in the ask. */
  readonly entry: number;
  readonly share: number;
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
  listDevices: false,
  revokeDevice: true,
  putAccountKey: true,
  share: true,
  remove: true,
  presence: true,
  listPeers: false,
  listFiles: false,
  search: false,
  sees: false,
  unknownAudience: false,
  locate: false,
  sharesOf: false,
  account: false,
  invite: false,
  checkName: false,
  registerAccount: true,
  changePassword: true,
  passwordOf: false,
};
