/** device_label: the label that a device gets where others of its account have theirs.  (pure) */

import { Buffer } from "node:buffer";
import { limits } from "../../core/limits.ts";

/** Chooses a device's label: the wished one, or its next free numbered form (`vm-2`); a long one is cut to make room for the number. */
export function freeLabel(wished: string, taken: ReadonlySet<string>): string {
  for (let number = 1;; number++) {
    const suffix = number === 1 ? "" : `-${number}`;
    let base = wished;
    while (Buffer.byteLength(base + suffix, "utf8") > limits.labelBytesMax) base = [...base].slice(0, -1).join("");
    if (!taken.has(base + suffix)) return base + suffix;
  }
}
