/**
 * admin_token: the secret that lets somebody read the metrics. Laws: 1) it comes from a file that its owner alone can read, and is made
 * at the first start unless one is named;  2) it is compared in a time that does not depend on it.  Spec: docs/operations.md.  (I/O: files)
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { StoreError } from "../core/errors.ts";
import type { Random } from "../session/random.ts";
import { readPrivateFile, writePrivateFile } from "./data_folder.ts";

/** Shorter ones can be guessed. */
const charactersMin = 16;

export class AdminToken {
  readonly #digest: Uint8Array;

  private constructor(text: string) {
    this.#digest = digestOf(text);
  }

  /**
   * Opens the token's file.
   * @param named The file that the operator named; it has to be there. Else the data folder's, which is made at first use.
   * @throws {StoreError} If it cannot be read, others can read it, or what it holds is no token.
   */
  static open({ named, own, random }: {
    readonly named: string | undefined;
    readonly own: string;
    readonly random: Random;
  }): AdminToken {
    const path = named ?? own;
    let text = readPrivateFile(path, "write another token into it");
    if (text === undefined && named !== undefined) {
      throw new StoreError("notFound", "read", path, "there is no such file", { hint: "Write a token into it" });
    }
    if (text === undefined) {
      text = Buffer.from(random(32)).toString("base64url");
      writePrivateFile(path, `${text}\n`);
    }
    const token = text.trim();
    if (token.length < charactersMin || /\s/.test(token)) {
      throw new StoreError(
        "integrity",
        "use",
        path,
        `it holds no token: ${charactersMin} characters and more, no spaces`,
      );
    }
    return new AdminToken(token);
  }

  /** Tells whether a request's Authorization header shows this token. */
  isShownBy(authorization: string | undefined): boolean {
    const shown = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "";
    return timingSafeEqual(digestOf(shown), this.#digest);
  }
}

/** Of the same length whatever is shown. */
function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
