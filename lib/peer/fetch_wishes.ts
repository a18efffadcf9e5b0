/**
 * fetch_wishes: what a `fetch` command means: exact files, each with its place here. Laws: 1) what cannot be meant is told, and the rest
 * goes on;  2) of two wanted names that would be one file here the second is refused.  (I/O through Control)
 */

import { foldName, type SafePath, safePath, unsafeName } from "../content/safe_path.ts";
import { ShoalError, UsageError } from "../core/errors.ts";
import type { Command, PeerEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import { errorEvent } from "./error_event.ts";
import type { FetchWish } from "./fetch_store.ts";
import { resolveTarget, type WantedFile } from "./resolve.ts";
import { untilAborted } from "./until_aborted.ts";

type FetchCommand = Extract<Command, { readonly command: "fetch" }>;

/** A wanted file whose name may be used here. */
interface SafeFile extends WantedFile {
  readonly path: SafePath;
}

/** Finds out what is meant. Names that mean several contents, and what cannot be fetched, are told. @throws {ShoalError} `interrupted`. */
export async function readWishes(
  command: FetchCommand,
  control: Pick<Control, "request">,
  signal: AbortSignal,
  emit: (event: PeerEvent) => void,
): Promise<readonly FetchWish[]> {
  const resolving = command.targets.map((target) => resolveTarget(control, target));
  const resolved = (await untilAborted(Promise.allSettled(resolving), signal)).flatMap((result) => {
    if (result.status === "fulfilled") return result.value;
    if (!(result.reason instanceof ShoalError)) throw result.reason;
    emit(errorEvent(result.reason));
    return [];
  });
  const files = safeFiles(resolved.flatMap((one) => one.files), (reason) => emit(errorEvent(reason)));
  for (const { name, choices } of resolved.flatMap((one) => one.ambiguous)) {
    emit({ type: "ambiguous", name, choices });
    const message = `Cannot fetch ${JSON.stringify(name)}: it means several contents`;
    emit(errorEvent(new UsageError(message, { hint: "Fetch one of them by its id" })));
  }
  return files.map((file) => wishOf(file, command));
}

function wishOf({ name, path, content }: SafeFile, command: FetchCommand): FetchWish {
  const { folder, onExists, sync, timeoutMs, timeoutTold, priority = "normal" } = command;
  const told = timeoutTold === true ? timeoutMs : undefined;
  return { name, path, content, folder, onExists, sync, timeoutMs: told, priority, askedAtMs: Date.now() };
}

/** The files whose names may be used here; tells why the others may not: an unsafe name, or one that is another's here. */
function safeFiles(wanted: readonly WantedFile[], refuse: (reason: ShoalError) => void): readonly SafeFile[] {
  const files = new Map<string, SafeFile>();
  for (const file of wanted) {
    const path = safePath(file.name);
    if (!path.ok) {
      refuse(unsafeName(file.name, path.error));
      continue;
    }
    const folded = foldName(path.value);
    const other = files.get(folded);
    if (other === undefined) files.set(folded, { ...file, path: path.value });
    else if (other.content.id !== file.content.id || other.content.bytes !== file.content.bytes) {
      refuse(twins(file.name, other.name));
    }
  }
  return [...files.values()];
}

function twins(name: string, other: string): ShoalError {
  return new ShoalError(
    "exists",
    `Cannot fetch ${JSON.stringify(name)} beside ${JSON.stringify(other)}: they are one name on some disks`,
    { hint: "Fetch it by itself into another folder with --dir" },
  );
}
