/**
 * audience: for whom a share is. Law: null is everyone; a list names accounts and groups, and none of them means the sharing account alone,
 * which always sees its own.  Spec: PROTOCOL.md "Visibility".  (pure)
 */

/** What a member of an audience is. */
export const audienceKinds = ["account", "group"] as const;

export interface AudienceMember {
  readonly kind: typeof audienceKinds[number];
  readonly name: string;
}
/** Null is everyone. */
export type Audience = readonly AudienceMember[] | null;

/** What a share is that says no more than what it is. */
export const forEveryone = { audience: null, description: "" } as const;

/** Bytes of an audience's names, which are bounded together. */
export function audienceBytes(audience: Audience): number {
  const encoder = new TextEncoder();
  return (audience ?? []).reduce((sum, { name }) => sum + encoder.encode(name).length, 0);
}

/** Tells whether two audiences are told alike. */
export function sameAudience(a: Audience, b: Audience): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every(({ kind, name }, i) => kind === b[i]!.kind && name === b[i]!.name);
}

/** An audience in the one order in which it is told: each member once, accounts first, by name. */
export function sortedAudience(audience: Audience): Audience {
  if (audience === null) return null;
  const byText = new Map(audience.map((one) => [`${audienceKinds.indexOf(one.kind)}${one.name}`, one]));
  return [...byText].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, one]) => one);
}
