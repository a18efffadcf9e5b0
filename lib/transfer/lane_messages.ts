/** lane_messages: what the two ends of lane_threads say to each other. All of it is plain data; buffers are copied. (pure) */

import type { Bytes } from "../core/bytes.ts";
import {
  ContentError,
  type ErrorCode,
  NetworkError,
  ProtocolError,
  RemoteError,
  ShoalError,
  type TimeoutError,
} from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import type { PartTarget } from "../content/part_file.ts";
import type { Queued } from "../wire/frame.ts";
import type { FetchIdentity } from "./holder_talk.ts";
import type { Bitfield } from "./piece_picker.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

/** Our identity without the key object, which cannot travel. */
export type PlainIdentity = Omit<FetchIdentity, "deviceKey"> & { readonly seed: Bytes };

/** To the thread; `lane` numbers the connection. */
export type ToThread =
  | {
    readonly kind: "start";
    readonly lane: number;
    readonly content: Content;
    readonly holder: VerifiedHolder;
    readonly identity: PlainIdentity;
  }
  /** Answers `begin`; no target: nothing is to be fetched. */
  | {
    readonly kind: "begun";
    readonly lane: number;
    readonly target: PartTarget | undefined;
    readonly alike: readonly string[] | undefined;
  }
  /** A piece to ask for, which is noted as asked. */
  | { readonly kind: "piece"; readonly lane: number; readonly piece: number }
  /** There are no more pieces. */
  | { readonly kind: "none"; readonly lane: number }
  | { readonly kind: "stop"; readonly lane: number };

/** From the thread. */
export type FromThread =
  | { readonly kind: "begin"; readonly lane: number; readonly layer: Bytes; readonly has: Bitfield | undefined }
  /** One more piece is wanted. */
  | { readonly kind: "want"; readonly lane: number }
  | { readonly kind: "have"; readonly lane: number; readonly piece: number }
  /** Others have asked the holder for these. */
  | { readonly kind: "askedByOthers"; readonly lane: number; readonly pieces: readonly number[] }
  /** Of these that were to be asked for it has asked for none. */
  | { readonly kind: "giveBack"; readonly lane: number; readonly pieces: readonly number[] }
  | { readonly kind: "received"; readonly lane: number }
  | { readonly kind: "queued"; readonly lane: number; readonly queued: Queued }
  /** A piece is verified and written. */
  | {
    readonly kind: "wrote";
    readonly lane: number;
    readonly piece: number;
    readonly bytes: number;
    readonly reusedBytes: number;
    readonly wireBytes: number;
  }
  | { readonly kind: "ended"; readonly lane: number; readonly error: PlainError | undefined };

/** An error as data: errors lose their class on the way between threads. */
export interface PlainError {
  readonly name: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly contentId?: string | undefined;
  readonly piece?: number | undefined;
  readonly holder?: string | undefined;
}

export function plainFrom(error: unknown): PlainError {
  if (!(error instanceof ShoalError)) {
    return { name: "Error", code: "unknown", message: String(error), hint: undefined };
  }
  const { name, code, message, hint } = error;
  const { retryAfterMs } = error as Partial<RemoteError>;
  const { contentId, piece, holder } = error as Partial<ContentError>;
  return { name, code, message, hint, retryAfterMs, contentId, piece, holder };
}

/** The error again, of the class that tells whose doing it was. */
export function errorFrom(plain: PlainError): Error {
  const { name, code, message, hint, retryAfterMs = 0, contentId, piece, holder } = plain;
  const hinted = hint === undefined ? {} : { hint };
  switch (name) {
    case "Error":
      return new Error(message);
    case "RemoteError":
      return new RemoteError(code, message, { ...hinted, retryAfterMs });
    case "ContentError":
      return new ContentError(code, message, {
        ...hinted,
        ...(contentId === undefined ? {} : { contentId }),
        ...(piece === undefined ? {} : { piece }),
        ...(holder === undefined ? {} : { holder }),
      });
    case "ProtocolError":
      return new ProtocolError(message, hinted);
    case "NetworkError":
    case "TimeoutError" satisfies TimeoutError["name"]:
      return new NetworkError(message, { ...hinted, code });
    default:
      return new ShoalError(code, message, hinted);
  }
}
