/**
 * reports: which holders were reported for a content, and by whom. Laws: 1) an account counts once for a holder and a content,
 * however often it reports;  2) a report is forgotten after limits.reportMs;  3) bounded, in all and of one account: above that the oldest
 * goes, of the account first;  4) nothing here excludes anybody: who is reported is named later.
 * Spec: PROTOCOL.md "REPORT".  (pure)
 */

import { type Content, contentKey, type DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";

interface Report {
  readonly key: string;
  readonly foldedAccount: string;
  readonly holder: DeviceId;
  readonly contentKey: string;
  readonly expiresAtMs: number;
}

export interface ReportsBounds {
  readonly reportsMax: number;
  readonly reportsPerAccountMax: number;
}

const nobody: ReadonlyMap<DeviceId, ReadonlySet<string>> = new Map();

export class Reports {
  readonly #bounds: ReportsBounds;
  /** In the order of time, which is that of expiry; so are those of an account. */
  readonly #all = new Map<string, Report>();
  readonly #byAccount = new Map<string, Set<Report>>();
  /** The folded accounts that reported, by holder, by content. */
  readonly #byContent = new Map<string, Map<DeviceId, Set<string>>>();

  constructor(bounds: ReportsBounds = limits) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Counts a report; false if this account has reported that holder for that content already. */
  note(foldedAccount: string, holder: DeviceId, content: Content, nowMs: number): boolean {
    this.#expire(nowMs);
    const of = contentKey(content);
    const key = `${holder}:${of}:${foldedAccount}`;
    if (this.#all.has(key)) return false;
    const own = this.#byAccount.get(foldedAccount) ?? new Set<Report>();
    if (own.size >= this.#bounds.reportsPerAccountMax) this.#drop(own.values().next().value!);
    else if (this.#all.size >= this.#bounds.reportsMax) this.#drop(this.#all.values().next().value!);
    const report = { key, foldedAccount, holder, contentKey: of, expiresAtMs: nowMs + limits.reportMs };
    this.#all.set(key, report);
    this.#byAccount.set(foldedAccount, own.add(report));
    const holders = this.#byContent.get(of) ?? new Map<DeviceId, Set<string>>();
    this.#byContent.set(of, holders);
    holders.set(holder, (holders.get(holder) ?? new Set<string>()).add(foldedAccount));
    return true;
  }

  /** Who was reported for a content, and by which accounts; not to be kept. */
  of(content: Content, nowMs: number): ReadonlyMap<DeviceId, ReadonlySet<string>> {
    this.#expire(nowMs);
    return this.#byContent.get(contentKey(content)) ?? nobody;
  }

  /** Forgets what an account reported. */
  forgetAccount(foldedAccount: string): void {
    for (const report of this.#byAccount.get(foldedAccount) ?? []) this.#drop(report);
  }

  #expire(nowMs: number): void {
    for (const report of this.#all.values()) {
      if (report.expiresAtMs > nowMs) return;
      this.#drop(report);
    }
  }

  #drop(report: Report): void {
    this.#all.delete(report.key);
    const own = this.#byAccount.get(report.foldedAccount)!;
    own.delete(report);
    if (own.size === 0) this.#byAccount.delete(report.foldedAccount);
    const holders = this.#byContent.get(report.contentKey)!;
    const accounts = holders.get(report.holder)!;
    accounts.delete(report.foldedAccount);
    if (accounts.size > 0) return;
    holders.delete(report.holder);
    if (holders.size === 0) this.#byContent.delete(report.contentKey);
  }
}
