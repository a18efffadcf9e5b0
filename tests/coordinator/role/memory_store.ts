/** memory_store: the store's answers from memory, in the same turn: what the role's tests need of a store, and no more. */

import type { Bytes } from "../../../lib/core/bytes.ts";
import { type Result } from "../../../lib/core/errors.ts";
import { type Content, contentKey, type DeviceId } from "../../../lib/core/ids.ts";
import type { Endpoint } from "../../../lib/core/transport.ts";
import { foldAccount } from "../../../lib/session/opaque.ts";
import { emptyShareDigest, toggleShare } from "../../../lib/session/share_digest.ts";
import type { Role } from "../../../lib/wire/message.ts";
import { type Audience, sameAudience } from "../../../lib/core/audience.ts";
import type {
  AddedShare,
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
  record: string;
  role: Role;
  rate: number | null;
  disabled: boolean;
  key: StoredAccountKey | null;
}

interface Share {
  readonly row: number;
  readonly name: string;
  readonly content: Content;
  readonly audience: Audience;
  readonly description: string;
  readonly sharedAtMs: number;
  withdrawn: boolean;
}

interface Device {
  readonly row: number;
  readonly account: Account;
  readonly deviceId: DeviceId;
  readonly label: string;
  certificate: Bytes;
  signature: Bytes | null;
  loginKey: Bytes | null;
  enrolledAtMs: number | null;
  online: boolean;
  at: Endpoint | null;
  changedAtMs: number;
  readonly shares: Map<string, Share>;
}

/** Ends an ask with a refusal. */
class Refused extends Error {
  readonly code: StoreRefusal["code"];
  constructor(code: StoreRefusal["code"]) {
    super(code);
    this.code = code;
  }
}

type Answers = { readonly [O in StoreOperation]: (ask: StoreOperations[O]["ask"]) => StoreOperations[O]["answer"] };

export class MemoryStore {
  readonly accounts = new Map<string, Account>();
  /** Those that can be used, by name; that of open registration never expires. */
  readonly invites = new Map<string, { readonly record: string; readonly role: Role; readonly expiresAtMs: number }>();
  readonly devices: Device[] = [];
  /** The folded names of those in a group. */
  readonly groups = new Map<string, Set<string>>();
  #rows = 0;

  addAccount(name: string, record: string): void {
    this.accounts.set(foldAccount(name), {
      name,
      record,
      role: "member",
      rate: null,
      disabled: false,
      key: null,
    });
  }

  answer({ operation, ask }: StoreAsk): Result<StoreOperations[StoreOperation]["answer"], StoreRefusal> {
    const answer = this.#answers[operation] as (ask: unknown) => StoreOperations[StoreOperation]["answer"];
    try {
      return { ok: true, value: answer(ask) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { ok: false, error: { code: error.code, text: error.code } };
    }
  }

  #digest(device: Device): Bytes {
    const digest = emptyShareDigest();
    for (const { name, content, audience, description, withdrawn } of device.shares.values()) {
      if (!withdrawn) toggleShare(digest, { name, ...content, audience, description });
    }
    return digest;
  }

  /** What became of the contents of which a share went. */
  #gone(device: Device, change: () => void): Pick<StoreOperations["share"]["answer"], "ended" | "narrowed"> {
    const shares = () => [...device.shares.values()].filter(({ withdrawn }) => !withdrawn);
    const before = shares().map((share) => ({ ...share }));
    change();
    const after = shares();
    const went = before.filter(({ row }) => !after.some((share) => share.row === row));
    const left = [...new Map(went.map(({ content }) => [contentKey(content), content])).values()].map((content) => ({
      content,
      still: after.filter((share) => contentKey(share.content) === contentKey(content)),
    }));
    return {
      ended: left.filter(({ still }) => still.length === 0).map(({ content }) => content),
      narrowed: left.flatMap(({ still }) =>
        still.every(({ audience }) => audience !== null) ? still.slice(0, 1).map(({ row }) => row) : []
      ),
    };
  }

  /** The row of a device's share of a content. */
  #shareOf(device: Device, content: Content, ...askers: readonly number[]): number | undefined {
    return [...device.shares.values()].find((share) => {
      return !share.withdrawn && contentKey(share.content) === contentKey(content) &&
        askers.every((asker) => this.#sees(asker, device, share));
    })?.row;
  }

  /** Whether a device's account may see a share of another. */
  #sees(asker: number, sharer: Device, { audience }: Share): boolean {
    const account = this.devices[asker - 1]?.account;
    if (audience === null || account === sharer.account) return true;
    return audience.some(({ kind, name }) => {
      return kind === "account"
        ? this.accounts.get(foldAccount(name)) === account
        : this.groups.get(name)?.has(foldAccount(account?.name ?? ""));
    });
  }

  /** One row per (name, content), numbered by the first share that has it. */
  #files(asker: number, devices: readonly Device[], wanted: (name: string) => boolean, after: number, limit: number) {
    const rows = new Map<string, FileRow>();
    for (const device of devices) {
      for (const share of device.shares.values()) {
        const { row, name, content, withdrawn, audience, description, sharedAtMs } = share;
        if (!wanted(name) || withdrawn || !this.#sees(asker, device, share)) continue;
        const key = `${name}\0${contentKey(content)}`;
        const known = rows.get(key);
        rows.set(key, {
          row: Math.min(row, known?.row ?? row),
          name,
          content,
          holders: (known?.holders ?? 0) + Number(device.online),
          withdrawn,
          sharedAtMs,
          description,
          audience,
        });
      }
    }
    return [...rows.values()].filter(({ row }) => row > after).sort((a, b) => a.row - b.row).slice(0, limit);
  }

  readonly #answers: Answers = {
    credential: ({ account, deviceId }) => {
      const found = this.accounts.get(foldAccount(account));
      return {
        record: found?.record ?? this.invites.get(account)?.record ?? null,
        disabled: found?.disabled ?? false,
        deviceKnown: this.devices.some((one) => one.account === found && one.deviceId === deviceId),
        loginKey: this.devices.find((one) => one.account === found && one.deviceId === deviceId)?.loginKey ?? null,
      };
    },
    enrolDevice: ({ account, deviceId, label, certificate, loginKey, record, nowMs }) => {
      const owner = this.accounts.get(foldAccount(account));
      if (owner === undefined) throw new Refused("denied");
      let device = this.devices.find((one) => one.account === owner && one.deviceId === deviceId);
      const hasKey = device?.loginKey?.join() === loginKey.join();
      if (record === null ? !hasKey : record !== owner.record) throw new Refused("denied");
      if (device === undefined) {
        device = {
          row: this.devices.length + 1,
          account: owner,
          deviceId,
          label,
          certificate,
          signature: null,
          loginKey,
          enrolledAtMs: nowMs,
          online: false,
          at: null,
          changedAtMs: nowMs,
          shares: new Map(),
        };
        this.devices.push(device);
      }
      device.certificate = certificate;
      if (!hasKey) [device.loginKey, device.enrolledAtMs] = [loginKey, nowMs];
      return {
        account: owner.name,
        role: owner.role,
        rate: owner.rate,
        device: device.row,
        label: device.label,
        accountKey: owner.key,
        enrolled: device.signature !== null,
        shareDigest: this.#digest(device),
        withdrawn: 0,
      };
    },
    listDevices: ({ account, after, limit }) =>
      this.devices.filter((one) => one.account === this.accounts.get(foldAccount(account)) && one.row > after)
        .slice(0, limit)
        .map(({ row, label, enrolledAtMs, online, changedAtMs }) => ({
          row,
          label,
          enrolledAtMs,
          online,
          changedAtMs,
        })),
    revokeDevice: ({ account, label }) => {
      const owner = this.accounts.get(foldAccount(account));
      const device = this.devices.find((one) => one.account === owner && one.label === label);
      if (device === undefined) throw new Refused("notFound");
      device.signature = device.loginKey = device.enrolledAtMs = null;
      return { device: device.row };
    },
    putAccountKey: ({ device, accountKey, signature }) => {
      const found = this.devices[device - 1]!;
      found.account.key ??= accountKey;
      const enrolled = found.account.key.publicKey.join() === accountKey.publicKey.join();
      if (enrolled) found.signature = signature;
      return { accountKey: found.account.key, enrolled };
    },
    share: ({ device, entries, nowMs }) => {
      const found = this.devices[device - 1]!;
      const added: AddedShare[] = [];
      const gone = this.#gone(found, () => {
        for (const [entry, { name, id, bytes, audience, description }] of entries.entries()) {
          const known = found.shares.get(name);
          const isSame = known?.withdrawn === false && contentKey(known.content) === contentKey({ id, bytes });
          const row = ++this.#rows;
          found.shares.set(name, {
            row,
            name,
            content: { id, bytes },
            audience,
            description,
            sharedAtMs: nowMs,
            withdrawn: false,
          });
          if (!isSame || !sameAudience(known.audience, audience)) added.push({ entry, share: row });
        }
      });
      return { shareDigest: this.#digest(found), ...gone, added };
    },
    remove: ({ device, names, scope }) => {
      const asking = this.devices[device - 1]!;
      const devices = scope === "device" ? [asking] : this.devices.filter((one) => one.account === asking.account);
      let count = 0;
      const changed = devices.flatMap((one) => {
        const before = this.#digest(one).join();
        const gone = this.#gone(one, () => {
          for (const name of names) {
            const share = one.shares.get(name);
            if (share === undefined) continue;
            count++;
            if (one === asking) one.shares.delete(name);
            else share.withdrawn = true;
          }
        });
        const shareDigest = this.#digest(one);
        return shareDigest.join() === before ? [] : [{ device: one.row, shareDigest, ...gone }];
      });
      return { count, devices: changed };
    },
    presence: ({ device, online, at = null, nowMs }) => {
      const found = this.devices[device - 1]!;
      if (found.online !== online) found.changedAtMs = nowMs;
      found.online = online;
      found.at = at;
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
      return this.#files(device, devices, () => true, after, limit);
    },
    search: ({ device, query: { terms }, after, limit }) => {
      const online = this.devices.filter((one) => one.online);
      const isFound = (name: string) => terms.every(({ pattern }) => name.includes(pattern));
      const found = this.#files(device, online, isFound, after?.row ?? 0, limit);
      const rows = found.map((row) => ({ ...row, audience: null, place: { key: 0, row: row.row, part: 0 } }));
      return { rows, next: rows.length === limit ? rows.at(-1)!.place : null };
    },
    sees: ({ shares, devices }) =>
      shares.map((row) => {
        const sharer = this.devices.find((one) => [...one.shares.values()].some((share) => share.row === row))!;
        const share = [...sharer.shares.values()].find((one) => one.row === row)!;
        return devices.filter((device) => this.#sees(device, sharer, share));
      }),
    unknownAudience: ({ audience }) =>
      (audience ?? []).filter(({ kind, name }) => {
        return kind === "account" ? !this.accounts.has(foldAccount(name)) : !this.groups.has(name);
      }),
    locate: ({ content, askingDevice, round, known, limit }) => {
      const common = (row: number) =>
        this.devices.map((one) => this.#shareOf(one, content, askingDevice, row)).find((share) => share !== undefined);
      const row = (one: Device): HolderRow => {
        const own = this.#shareOf(one, content, askingDevice);
        return {
          device: one.row,
          share: own ?? common(one.row)!,
          whole: own !== undefined,
          account: one.account.name,
          label: one.label,
          deviceId: one.deviceId,
          accountKey: one.account.key!.publicKey,
          deviceSignature: one.signature!,
          certificate: one.certificate,
          at: one.at,
        };
      };
      const knownRows = known.filter((device) => common(device) !== undefined).map((device) =>
        row(this.devices[device - 1]!)
      );
      if (round === null) return { start: 0, round: [], known: knownRows };
      const sharing = this.devices.filter((one) => {
        return one.online && one.signature !== null && one.row !== askingDevice &&
          this.#shareOf(one, content, askingDevice) !== undefined;
      });
      const start = round.start || (sharing[round.pick % sharing.length]?.row ?? 1);
      const first = sharing.findIndex((one) => one.row >= start);
      const turned = first < 0 ? sharing : [...sharing.slice(first), ...sharing.slice(0, first)];
      const place = (device: number) => device >= start ? device - start : device - start + 1e9;
      const rest = turned.filter((one) => round.after === 0 || place(one.row) > place(round.after));
      const page = rest.slice(0, limit);
      return { start, round: page.map(row), known: page.length < limit ? knownRows : [] };
    },
    sharesOf: ({ device, askingDevice, contents }) =>
      contents.map((content) => this.#shareOf(this.devices[device - 1]!, content, askingDevice) ?? null),
    account: ({ account }) => {
      const found = this.accounts.get(foldAccount(account));
      return found &&
        { account: found.name, publicKey: found.key?.publicKey ?? null, role: found.role, rate: found.rate };
    },
    invite: ({ invite, nowMs }) => {
      const found = this.invites.get(invite);
      if (found === undefined || found.expiresAtMs <= nowMs) throw new Refused("denied");
      return { role: found.role };
    },
    checkName: ({ account }) => {
      if (this.accounts.has(foldAccount(account))) throw new Refused("nameTaken");
      return { account };
    },
    registerAccount: ({ account, record, invite, nowMs }) => {
      const found = this.invites.get(invite);
      if (found === undefined || found.expiresAtMs <= nowMs) throw new Refused("denied");
      if (this.accounts.has(foldAccount(account))) throw new Refused("nameTaken");
      this.addAccount(account, record);
      this.accounts.get(foldAccount(account))!.role = found.role;
      if (found.expiresAtMs < Infinity) this.invites.delete(invite);
      return { account };
    },
    passwordOf: ({ account }) => {
      const found = this.accounts.get(foldAccount(account));
      if (found === undefined) throw new Refused("denied");
      return { record: found.record, accountKey: found.key };
    },
    changePassword: ({ account, device, from, record, accountKey, everywhere }) => {
      const found = this.accounts.get(foldAccount(account));
      if (found?.record !== from) throw new Refused("changed");
      found.record = record;
      found.key = accountKey;
      for (const one of this.devices) {
        if (everywhere && one.account === found && one.row !== device) one.loginKey = null;
      }
      return null;
    },
  };
}
