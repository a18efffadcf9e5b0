/**
 * opaque: the password proof (OPAQUE, RFC 9807, by `@serenity-kit/opaque`), in bytes. Laws: 1) the password goes no further than
 * this file;  2) a wrong password is noticed by the peer alone, before it has told anything;  3) it loads next to nothing: a peer's
 * half runs on a thread of its own, which costs what it loads.
 * Spec: PROTOCOL.md "Login".  (pure but for the library's own randomness)
 */

import { formatBase64Url, parseBase64Url } from "../core/base64.ts";
import type { Bytes } from "../core/bytes.ts";
import { mapWidth } from "./precis.ts";

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

/**
 * Folds an account's name: one text for every spelling that means the account (UsernameCaseMapped, RFC 8265 §3.3: width, case, NFC). This is
 * what OPAQUE binds into the record, so it stays what it is for every name that somebody has.
 */
export function foldAccount(account: string): string {
  return mapWidth(account).normalize("NFC").toLowerCase();
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
  | { readonly kind: "finish"; readonly password: string; readonly state: string; readonly ke2: Bytes }
  /** The two of a registration, of a new account or of a new password. */
  | { readonly kind: "newStart"; readonly password: string }
  | { readonly kind: "newFinish"; readonly password: string; readonly state: string; readonly response: Bytes };

/** What the step of the same kind gives. */
export type Proved =
  | { readonly kind: "start"; readonly ke1: Bytes; readonly state: string }
  | { readonly kind: "finish"; readonly login: FinishedLogin | undefined }
  | { readonly kind: "newStart"; readonly request: Bytes; readonly state: string }
  | { readonly kind: "newFinish"; readonly registration: FinishedRegistration | undefined };

/** Does a step: the function of its kind. */
export function prove(step: ProofStep, stretching: Stretching = defaultStretching): Proved {
  const { kind, password } = step;
  switch (kind) {
    case "start":
      return { kind, ...startLogin(password) };
    case "finish":
      return { kind, login: finishLogin(password, step.state, step.ke2, stretching) };
    case "newStart":
      return { kind, ...startRegistration(password) };
    case "newFinish":
      return { kind, registration: finishRegistration(password, step.state, step.response, stretching) };
  }
}

/** Starts the registration of a password: a request to send, and the state to keep. */
export function startRegistration(password: string): { readonly request: Bytes; readonly state: string } {
  const { registrationRequest, clientRegistrationState } = opaque().client.startRegistration({ password });
  return { request: parseBase64Url(registrationRequest), state: clientRegistrationState };
}

/** What a finished registration gives the peer. */
export interface FinishedRegistration {
  /** 192 bytes: what the coordinator keeps of the password. */
  readonly record: Bytes;
  /** 64 bytes, as a login with this password will yield them. */
  readonly exportKey: Bytes;
}

/** Finishes a registration; undefined where the response is none. Takes about 0.1 s. */
export function finishRegistration(
  password: string,
  state: string,
  response: Uint8Array,
  stretching: Stretching = defaultStretching,
): FinishedRegistration | undefined {
  const { client } = opaque();
  try {
    const { registrationRecord, exportKey } = client.finishRegistration({
      password,
      registrationResponse: formatBase64Url(response),
      clientRegistrationState: state,
      keyStretching: stretchingConfig(stretching),
    });
    return { record: parseBase64Url(registrationRecord), exportKey: parseBase64Url(exportKey) };
  } catch {
    return undefined;
  }
}

/** Makes the coordinator's long-term OPAQUE setup; belongs in the key file. */
export function createServerSetup(): string {
  return opaque().server.createSetup();
}

/** The coordinator's long-term OPAQUE key (32 bytes), by which peers know it. */
export function coordinatorKeyOf(serverSetup: string): Bytes {
  return parseBase64Url(opaque().server.getPublicKey(serverSetup));
}

/** Answers the registration of a password under an account's name; undefined for bytes that are no request. */
export function answerRegistration(serverSetup: string, account: string, request: Uint8Array): Bytes | undefined {
  const { server } = opaque();
  try {
    const { registrationResponse } = server.createRegistrationResponse({
      serverSetup,
      userIdentifier: foldAccount(account),
      registrationRequest: formatBase64Url(request),
    });
    return parseBase64Url(registrationResponse);
  } catch {
    return undefined;
  }
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
  const { request, state } = startRegistration(password);
  const response = answerRegistration(serverSetup, account, request)!;
  return formatBase64Url(finishRegistration(password, state, response, stretching)!.record);
}
