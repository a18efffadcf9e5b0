/** memory_store: the store's answers from memory, in the same turn: what the role's tests need of a store, and no more. */

import type { Bytes } from "../../../lib/core/bytes.ts";
import { type Result } from "../../../lib/core/errors.ts";
import { type Content, contentKey, type DeviceId } from "../../../lib/core/ids.ts";
import { foldAccount } from "../../../lib/session/opaque.ts";
import { emptyShareDigest, toggleShare } from "../../../lib/session/share_digest.ts";
import type {
  FileRow,
  HolderRow,
  StoreAsk,
  StoredAccountKey,
  StoreOperation,
  StoreOperations,
  StoreRefusal,
} from "../../../lib/coordinator/role/store_effects.ts";

interface Account {
  readonly name: string;
  readonly record: string;
  disabled: boolean;
  key: StoredAccountKey | null;
}

interface Share {
  readonly row: number;
  readonly name: string;
  readonly content: Content;
  withdrawn: boolean;
}

interface Device {
  readonly row: number;
  readonly account: Account;
  readonly deviceId: DeviceId;
  readonly label: string;
  certificate: Bytes;
  signature: Bytes | null;
  online: boolean;
  changedAtMs: number;
  readonly shares: Map<string, Share>;
}

type Answers = { readonly [O in StoreOperation]: (ask: StoreOperations[O]["ask"]) => StoreOperations[O]["answer"] };

export class MemoryStore {
  readonly accounts = new Map<string, Account>();
  readonly devices: Device[] = [];
  #rows = 0;

  addAccount(name: string, record: string): void {
    this.accounts.set(foldAccount(name), { name, record, disabled: false, key: null });
  }

  answer({ operation, ask }: StoreAsk): Result<StoreOperations[StoreOperation]["answer"], StoreRefusal> {
    const answer = this.#answers[operation] as (ask: unknown) => StoreOperations[StoreOperation]["answer"];
    return { ok: true, value: answer(ask) };
  }

  #digest(device: Device): Bytes {
    const digest = emptyShareDigest();
    for (const { name, content, withdrawn } of device.shares.values()) {
      if (!withdrawn) toggleShare(digest, { name, ...content });
    }
    return digest;
  }

  #contents(device: Device): Map<string, Content> {
    const shares = [...device.shares.values()].filter((share) => !share.withdrawn);
    return new Map(shares.map(({ content }) => [contentKey(content), content]));
  }

  #ended(device: Device, change: () => void): readonly Content[] {
    const before = this.#contents(device);
    change();
    const after = this.#contents(device);
    return [...before].filter(([key]) => !after.has(key)).map(([, content]) => content);
  }

  /** The row of a device's share of a content. */
  #shareOf(device: Device, content: Content): number | undefined {
    return [...device.shares.values()].find((share) => {
      return !share.withdrawn && contentKey(share.content) === contentKey(content);
    })?.row;
  }

  /** One row per (name, content), numbered by the first share that has it. */
  #files(devices: readonly Device[], wanted: (name: string) => boolean, after: number, limit: number) {
    const rows = new Map<string, FileRow>();
    for (const device of devices) {
      for (const { row, name, content, withdrawn } of device.shares.values()) {
        if (!wanted(name) || withdrawn) continue;
        const key = `${name}\0${contentKey(content)}`;
        const known = rows.get(key);
        rows.set(key, {
          row: Math.min(row, known?.row ?? row),
          name,
          content,
          holders: (known?.holders ?? 0) + Number(device.online),
          withdrawn,
        });
      }
    }
    return [...rows.values()].filter(({ row }) => row > after).sort((a, b) => a.row - b.row).slice(0, limit);
  }

  readonly #answers: Answers = {
    credential: ({ account, deviceId }) => {
      const found = this.accounts.get(foldAccount(account));
      return {
        record: found?.record ?? null,
        disabled: found?.disabled ?? false,
        deviceKnown: this.devices.some((one) => one.account === found && one.deviceId === deviceId),
      };
    },
    enrolDevice: ({ account, deviceId, label, certificate, nowMs }) => {
      const owner = this.accounts.get(foldAccount(account))!;
      let device = this.devices.find((one) => one.account === owner && one.deviceId === deviceId);
      if (device === undefined) {
        device = {
          row: this.devices.length + 1,
          account: owner,
          deviceId,
          label,
          certificate,
          signature: null,
          online: false,
          changedAtMs: nowMs,
          shares: new Map(),
        };
        this.devices.push(device);
      }
      device.certificate = certificate;
      return {
        device: device.row,
        label: device.label,
        accountKey: owner.key,
        enrolled: device.signature !== null,
        shareDigest: this.#digest(device),
        withdrawn: 0,
      };
    },
    putAccountKey: ({ device, accountKey, signature }) => {
      const found = this.devices[device - 1]!;
      found.account.key ??= accountKey;
      const enrolled = found.account.key.publicKey.join() === accountKey.publicKey.join();
      if (enrolled) found.signature = signature;
      return { accountKey: found.account.key, enrolled };
    },
    share: ({ device, entries }) => {
      const found = this.devices[device - 1]!;
      const ended = this.#ended(found, () => {
        for (const { name, id, bytes } of entries) {
          found.shares.set(name, { row: ++this.#rows, name, content: { id, bytes }, withdrawn: false });
        }
      });
      return { shareDigest: this.#digest(found), ended };
    },
    remove: ({ device, names, scope }) => {
      const asking = this.devices[device - 1]!;
      const devices = scope === "device" ? [asking] : this.devices.filter((one) => one.account === asking.account);
      let count = 0;
      const changed = devices.flatMap((one) => {
        const ended = this.#ended(one, () => {
          for (const name of names) {
            const share = one.shares.get(name);
            if (share === undefined) continue;
            count++;
            if (one === asking) one.shares.delete(name);
            else share.withdrawn = true;
          }
        });
        return ended.length === 0 ? [] : [{ device: one.row, shareDigest: this.#digest(one), ended }];
      });
      return { count, devices: changed };
    },
    presence: ({ device, online, nowMs }) => {
      const found = this.devices[device - 1]!;
      if (found.online !== online) found.changedAtMs = nowMs;
      found.online = online;
      return null;
    },
    listPeers: ({ after, limit }) =>
      this.devices.filter(({ row }) => row > after).slice(0, limit).map((one) => ({
        row: one.row,
        account: one.account.name,
        label: one.label,
        online: one.online,
        changedAtMs: one.changedAtMs,
      })),
    listFiles: ({ device, scope, after, limit }) => {
      const asking = this.devices[device - 1]!;
      const devices = scope === "device" ? [asking] : this.devices.filter((one) => one.account === asking.account);
      return this.#files(devices, () => true, after, limit);
    },
    search: ({ pattern, after, limit }) => {
      const online = this.devices.filter((one) => one.online);
      const rows = this.#files(online, (name) => name.includes(pattern), after, limit);
      return { rows, next: rows.length === limit ? rows.at(-1)!.row : 0 };
    },
    locate: ({ content, askingDevice, round, known, limit }) => {
      const any = this.devices.map((one) => this.#shareOf(one, content)).find((share) => share !== undefined);
      const row = (one: Device): HolderRow => {
        const own = this.#shareOf(one, content);
        return {
          device: one.row,
          share: own ?? any!,
          whole: own !== undefined,
          account: one.account.name,
          label: one.label,
          deviceId: one.deviceId,
          accountKey: one.account.key!.publicKey,
          deviceSignature: one.signature!,
          certificate: one.certificate,
        };
      };
      const knownRows = any === undefined ? [] : known.map((device) => this.devices[device - 1]!).map(row);
      if (round === null) return { start: 0, round: [], known: knownRows };
      const sharing = this.devices.filter((one) => {
        return one.online && one.signature !== null && one.row !== askingDevice &&
          this.#shareOf(one, content) !== undefined;
      });
      const start = round.start || (sharing[round.pick % sharing.length]?.row ?? 1);
      const first = sharing.findIndex((one) => one.row >= start);
      const turned = first < 0 ? sharing : [...sharing.slice(first), ...sharing.slice(0, first)];
      const place = (device: number) => device >= start ? device - start : device - start + 1e9;
      const rest = turned.filter((one) => round.after === 0 || place(one.row) > place(round.after));
      const page = rest.slice(0, limit);
      return { start, round: page.map(row), known: page.length < limit ? knownRows : [] };
    },
    sharesOf: ({ device, contents }) =>
      contents.map((content) => this.#shareOf(this.devices[device - 1]!, content) ?? null),
    account: ({ account }) => {
      const found = this.accounts.get(foldAccount(account));
      return found && { account: found.name, publicKey: found.key?.publicKey ?? null };
    },
  };
}
