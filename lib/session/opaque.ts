/**
 * opaque: the password proof (OPAQUE, RFC 9807, by `@serenity-kit/opaque`), in bytes. Laws: 1) the password goes no further than
 * this file;  2) a wrong password is noticed by the peer alone, before it has told anything;  3) it loads next to nothing: a peer's
 * half runs on a thread of its own, which costs what it loads.
 * Spec: PROTOCOL.md "Login".  (pure but for the library's own randomness)
 */

import { formatBase64Url, parseBase64Url } from "../core/base64.ts";
import type { Bytes } from "../core/bytes.ts";

/** The library, once `loadOpaque` has loaded it. */
let library: typeof import("@serenity-kit/opaque") | undefined;

/** Loads the library's WebAssembly (10 ms), which what proves no password does without. Await it before a password is used. */
export async function loadOpaque(): Promise<void> {
  const opaque = await import("@serenity-kit/opaque");
  await opaque.ready;
  library = opaque;
}

function opaque(): NonNullable<typeof library> {
  if (library === undefined) throw new TypeError("loadOpaque() has not been awaited");
  return library;
}

/** How a password is stretched: argon2id with memory in KiB. Fixed by the protocol; simulations alone pass a cheap one. */
export type Stretching = { readonly iterations: number; readonly memory: number; readonly parallelism: number };

/** Argon2id with 64 MiB, 3 passes, 4 lanes (RFC 9106 §4, second choice): about 0.1 s. */
export const defaultStretching: Stretching = { iterations: 3, memory: 65_536, parallelism: 4 };

function stretchingConfig(stretching: Stretching) {
  return { "argon2id-custom": { ...stretching } };
}

/** Folds an account's name: one text for every spelling that means the account. This is what OPAQUE binds into the record. */
export function foldAccount(account: string): string {
  return account.normalize("NFC").toLowerCase();
}

/** Starts a login: KE1 to send, and the state to keep. */
export function startLogin(password: string): { readonly ke1: Bytes; readonly state: string } {
  const started = opaque().client.startLogin({ password });
  return { ke1: parseBase64Url(started.startLoginRequest), state: started.clientLoginState };
}

/** What a finished login gives the peer. */
export interface FinishedLogin {
  readonly ke3: Bytes;
  /** 64 bytes; salted into the session's keys. */
  readonly sessionKey: Bytes;
  /** 64 bytes that only this password yields; the coordinator never learns it. */
  readonly exportKey: Bytes;
  /** The coordinator's long-term OPAQUE key: who this coordinator is, whatever its address. */
  readonly coordinatorKey: Bytes;
}

/** Finishes a login; undefined where the password is wrong, the account unknown or the coordinator another. Takes about 0.1 s. */
export function finishLogin(
  password: string,
  state: string,
  ke2: Uint8Array,
  stretching: Stretching = defaultStretching,
): FinishedLogin | undefined {
  const { client } = opaque();
  let finished: ReturnType<typeof client.finishLogin>;
  try {
    finished = client.finishLogin({
      clientLoginState: state,
      loginResponse: formatBase64Url(ke2),
      password,
      keyStretching: stretchingConfig(stretching),
    });
  } catch {
    return undefined; // Bytes that are no KE2 at all.
  }
  if (finished === undefined) return undefined;
  return {
    ke3: parseBase64Url(finished.finishLoginRequest),
    sessionKey: parseBase64Url(finished.sessionKey),
    exportKey: parseBase64Url(finished.exportKey),
    coordinatorKey: parseBase64Url(finished.serverStaticPublicKey),
  };
}

/** A step of a peer's password proof. It takes no sockets and no time but the processor's, and so any thread can do it. */
export type ProofStep =
  | { readonly kind: "start"; readonly password: string }
  | { readonly kind: "finish"; readonly password: string; readonly state: string; readonly ke2: Bytes };

/** What the step of the same kind gives. */
export type Proved =
  | { readonly kind: "start"; readonly ke1: Bytes; readonly state: string }
  | { readonly kind: "finish"; readonly login: FinishedLogin | undefined };

/** Does a step: `startLogin` or `finishLogin`. */
export function prove(step: ProofStep, stretching: Stretching = defaultStretching): Proved {
  if (step.kind === "start") return { kind: "start", ...startLogin(step.password) };
  return { kind: "finish", login: finishLogin(step.password, step.state, step.ke2, stretching) };
}

/** Makes the coordinator's long-term OPAQUE setup; belongs in the key file. */
export function createServerSetup(): string {
  return opaque().server.createSetup();
}

/** Answers KE1. With `record: null` the answer is that of an account that is there, in time and size (RFC 9807 §10.9). */
export function answerLogin(
  serverSetup: string,
  account: string,
  record: string | null,
  ke1: Uint8Array,
): { readonly ke2: Bytes; readonly state: string } | undefined {
  const { server } = opaque();
  try {
    const answered = server.startLogin({
      serverSetup,
      userIdentifier: foldAccount(account),
      registrationRecord: record,
      startLoginRequest: formatBase64Url(ke1),
    });
    return { ke2: parseBase64Url(answered.loginResponse), state: answered.serverLoginState };
  } catch {
    return undefined; // Bytes that are no KE1.
  }
}

/** Checks KE3; the 64-byte session key, or undefined where it does not prove the password. */
export function acceptLogin(state: string, ke3: Uint8Array): Bytes | undefined {
  const { server } = opaque();
  try {
    return parseBase64Url(
      server.finishLogin({ serverLoginState: state, finishLoginRequest: formatBase64Url(ke3) }).sessionKey,
    );
  } catch {
    return undefined;
  }
}

/** Registers an account on the coordinator's own machine: plays both sides, and so knows the password while it does. */
export function registerLocally(
  { password, serverSetup, account, stretching = defaultStretching }: {
    readonly password: string;
    readonly serverSetup: string;
    readonly account: string;
    readonly stretching?: Stretching;
  },
): string {
  const { client, server } = opaque();
  const started = client.startRegistration({ password });
  const response = server.createRegistrationResponse({
    serverSetup,
    userIdentifier: foldAccount(account),
    registrationRequest: started.registrationRequest,
  });
  return client.finishRegistration({
    password,
    registrationResponse: response.registrationResponse,
    clientRegistrationState: started.clientRegistrationState,
    keyStretching: stretchingConfig(stretching),
  }).registrationRecord;
}
