/** audience_check: whether whom a share is to be for is there, before anything is shared: a slip would reach nobody, and say nothing. */

import { ShoalError } from "../core/errors.ts";
import type { Audience } from "../core/audience.ts";
import type { Control } from "./control.ts";

/** @throws {ShoalError} `notFound`, naming an account that is not there, or a group that this account is not in. */
export async function checkAudience(
  control: Pick<Control, "request">,
  audience: Audience | undefined,
): Promise<void> {
  if (audience === undefined || audience === null || audience.length === 0) return;
  const { unknown } = await control.request({ kind: "audience", audience });
  const [first] = unknown ?? [];
  if (first === undefined) return;
  const what = JSON.stringify(first.name);
  throw first.kind === "account"
    ? new ShoalError("notFound", `Cannot share with ${what}: there is no such account`, {
      hint: "See who is there with: peers; a group is written group:NAME",
    })
    : new ShoalError("notFound", `Cannot share with the group ${what}: there is none, or your account is not in it`, {
      hint: "The operator of the coordinator says who is in which group",
    });
}
