/**
 * proven_login: a login whose device, and whose password or key, are proven: what admission goes on with, however it was proven. Law: it
 * may be ended at any time by a change of the account; whoever waited for the store asks again.  (types alone)
 */

import type { ErrorCode } from "../../core/errors.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { SealedChannel } from "../../session/sealed_channel.ts";
import type { MessageOf } from "../../wire/message.ts";

export interface ProvenLogin {
  /** The account's name folded, and as it was sent. */
  readonly account: string;
  readonly typedAccount: string;
  readonly endpoint: Endpoint;
  readonly beganAtMs: number;
  /** The record that the password was proved against; null where the device's key was proved instead. */
  readonly record: string | null;
  readonly channel: SealedChannel;
  readonly transaction: number;
  readonly auth: MessageOf<"auth">;
  /** Tells whether it is still wanted: it may have been ended while the store was asked. */
  isPending(): boolean;
  /** Ends it: it has become a session. */
  complete(): void;
  /** Refuses it, inside the sealed channel, however often its last message is repeated. */
  refuse(code: ErrorCode, text: string, nowMs: number): void;
}
