/**
 * peer: one logged-in peer: control plane, sharing, uploads and downloads put together, and the commands that it is asked. Laws: 1) it
 * decides nothing that its parts decide;  2) with a coordinator on a loopback address it listens and dials on loopback alone;
 * 3) whatever it opened it closes, in reverse.  (I/O)
 */

import { join } from "@std/path";
import { type Bytes, bytesEqual, formatHex } from "../core/bytes.ts";
import { AsyncQueue } from "../core/async_queue.ts";
import { ShoalError } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { startWorker } from "../core/worker.ts";
import { type Endpoint, formatEndpoint, isLoopback } from "../core/transport.ts";
import type { Alive, Identity } from "../membership/types.ts";
import { certificateHash, certificateKey, makeCertificate } from "../net/certificate.ts";
import { listenLocal } from "../net/local.ts";
import { connectTls, listenTls, prepareTls } from "../net/tls.ts";
import { listenUdp } from "../net/udp.ts";
import { lanesMaxOf, type Located } from "../transfer/fetch.ts";
import { systemTimers } from "../transfer/timers.ts";
import { type Lane, laneHere } from "../transfer/lane.ts";
import { LaneThreads, threadedFromBytes } from "../transfer/lane_threads.ts";
import { OpenParts } from "../transfer/open_parts.ts";
import { UploadServer } from "../transfer/upload_server.ts";
import { type VerifiedHolder, verifyHolder } from "../transfer/verified_holder.ts";
import { opaqueString } from "../session/precis.ts";
import { Announcer } from "./announcer.ts";
import { checkAudience } from "./audience_check.ts";
import { Bandwidth, type BandwidthOptions } from "./bandwidth.ts";
import { CoordinatorClock } from "./clock.ts";
import type { Command, CommandEnd, CommandRunner, PeerEvent } from "./commands.ts";
import { Control } from "./control.ts";
import { Doors } from "./doors.ts";
import { errorEvent } from "./error_event.ts";
import { FetchStore } from "./fetch_store.ts";
import { Fetches } from "./fetches.ts";
import { type Home, localSocketPath, makePrivateFolder, readPrivateFile, writePrivateFile } from "./home.ts";
import { leaving } from "./leaving.ts";
import type { KnownCoordinators } from "./known_coordinators.ts";
import { KnownAccounts } from "./known_accounts.ts";
import { LocalServer } from "./local_server.ts";
import { holders } from "./pages.ts";
import { PasswordProver } from "./password_prover.ts";
import { answerQuery, type QueryContext } from "./queries.ts";
import { Sharing } from "./sharing.ts";
import { report } from "./tickets.ts";
import { untilAborted } from "./until_aborted.ts";
import { Watches } from "./watches.ts";

export interface PeerOptions {
  readonly home: Home;
  readonly coordinator: Endpoint;
  readonly coordinators: KnownCoordinators;
  readonly account: string;
  /** Undefined: log in by the device's key. */
  readonly password: string | undefined;
  /** The wished name of this device. */
  readonly label: string;
  /** Whether it outlives a command: then unfinished fetches are kept across restarts, and gone on with. */
  readonly stays: boolean;
  readonly bandwidth: BandwidthOptions;
}

/** Names that Tab completion remembers. */
const knownNamesMax = 1_000;

export class Peer implements CommandRunner, AsyncDisposable {
  readonly #options: PeerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #stop = new AbortController();
  readonly #clock = new CoordinatorClock();
  readonly #notes = new AsyncQueue<PeerEvent>();
  readonly #noteListeners = new Set<(line: string) => void>();
  readonly #foundNames = new Set<string>();
  readonly #known: KnownAccounts;
  readonly #sharing: Sharing;
  readonly #bandwidth: Bandwidth;
  readonly #certificate: Bytes;
  #control!: Control;
  #prove!: QueryContext["prove"];
  #uploads!: UploadServer;
  #fetchStore!: FetchStore;
  #fetches!: Fetches;
  #watches!: Watches;
  #local!: Endpoint;
  #localServer!: LocalServer;
  readonly #parts = new OpenParts();
  #identity!: Identity;
  /** Undefined before the first login. */
  #alive: Alive | undefined;

  /** Settles when the peer ends by itself: undefined after `quit`, else the reason why it cannot go on. */
  readonly ended: Promise<ShoalError | undefined>;
  readonly #end: (reason: ShoalError | undefined) => void;
  /** Why this peer cannot go on; whoever runs it is told by `ended`, so that commands that end with it say nothing more. */
  #endReason: ShoalError | undefined;

  private constructor(options: PeerOptions, certificate: Bytes) {
    this.#options = options;
    this.#certificate = certificate;
    this.#known = KnownAccounts.open(options.home.folders.state);
    this.#sharing = this.#stack.use(new Sharing(options.home.folders, (message) => this.#note(message)));
    this.#bandwidth = this.#stack.use(new Bandwidth(options.bandwidth, systemTimers, () => new Date()));
    const { promise, resolve } = Promise.withResolvers<ShoalError | undefined>();
    this.ended = promise;
    this.#end = (reason) => {
      this.#endReason ??= reason;
      resolve(reason);
    };
  }

  /**
   * Starts a peer and logs it in.
   * @throws {ShoalError} If the home is damaged, no port is free, or the login fails; nothing is left open then.
   */
  static async start(options: PeerOptions): Promise<Peer> {
    const peer = new Peer(options, await deviceCertificate(options.home));
    try {
      await Promise.all([prepareTls(), peer.#start()]);
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { home, coordinator, coordinators, password, label, stays } = this.#options;
    const prover = this.#stack.use(startPasswordProver());
    if (password !== undefined) prover.prepare();
    this.#fetchStore = this.#stack.use(FetchStore.open(home.folders.state));
    const ip = listenAddress(coordinator.ip);
    const listener = listenTls({ ip, port: 0, certificate: this.#certificate, key: home.device });
    this.#local = listener.local;
    this.#uploads = new UploadServer({
      listener,
      certificateHash: certificateHash(this.#certificate),
      ticketKeys: () => this.#alive?.ticketKeys ?? [],
      coordinatorNowMs: () => this.#clock.nowMs(),
      checkAccountKey: (name, key) => this.#known.meet(this.#identity.coordinatorKey, name, key),
      openContent: (content) => this.#sharing.openContent(content) ?? this.#parts.open(content),
      onChanged: (content) => this.#sharing.refresh(content),
      onEnd: (reason) => this.#uploadEnded(reason),
      openFlow: (account, to) => this.#bandwidth.openUpload(account, to),
      random: randomBytes,
      timers: systemTimers,
    });
    this.#stack.defer(() => this.#uploads.close());

    const prove = this.#prove = prover.prove.bind(prover);
    const member = { device: home.device, certificate: this.#certificate, label, random: randomBytes, prove };
    this.#watches = Watches.open({
      stateFolder: home.folders.state,
      request: (request) => this.#control.request(request),
      nowMs: () => this.#clock.nowMs(),
      isOurs: ({ name, id, bytes }) => this.#sharing.shares(name, { id, bytes }),
      emit: (event) => this.#tell(event),
    });
    this.#stack.defer(() => this.#watches.close());
    this.#control = this.#stack.use(
      new Control(listenUdp({ ip, port: 0 }), coordinator, member, {
        online: (identity, alive, again) => this.#online(identity, alive, again),
        alive: (alive) => this.#takeAlive(alive),
        offline: (error, retryInMs) => this.#note(`${error.message}; trying again ${formatWait(retryInMs)}`),
        denied: (error) => this.#end(error),
        revoked: (contents, devices) => this.#uploads.revoke({ contents, devices }),
        found: (found) => this.#watches.found(found),
      }, coordinators.coordinatorsOf(this.#network)),
    );
    const announcer = new Announcer(this.#control, this.#sharing, this.#local.port);
    this.#sharing.announcer = announcer;
    announcer.present();
    const doors = new Doors(connectTls);
    this.#fetches = new Fetches({
      locate: (content, offer) => this.#locate(content, offer),
      withdraw: (content) =>
        void holders(this.#control, content, { offer: false }).next().catch(() => {
          // It expires by itself.
        }),
      ownFile: (content) => this.#sharing.fileOf(content),
      sharedAlike: (name, manifest) => this.#sharing.alike(name, manifest),
      identity: () => ({
        deviceKey: home.device,
        deviceId: this.#identity.deviceId,
        accountKey: this.#identity.accountKey,
        deviceSignature: this.#identity.deviceSignature,
      }),
      lane: this.#lane(doors),
      connect: doors.connect,
      parts: this.#parts,
      report: (holder, reason) =>
        void report(this.#control, holder, reason).catch(() => {
          // It helps others to choose; nobody here waits for it.
        }),
      journalFolder: join(home.folders.state, "journals"),
      nowMs: () => performance.now(),
      openDownload: (number) => this.#bandwidth.openDownload(number),
      control: this.#control,
      store: this.#fetchStore,
      stays,
      network: () => formatHex(this.#identity.coordinatorKey),
      coordinator: formatEndpoint(coordinator),
      note: (message) => this.#note(message),
    });
    this.#stack.defer(() => this.#fetches.close());
    await this.#logIn();
    this.#stack.defer(() => this.#control.leave());
    const path = localSocketPath(home.folders);
    makePrivateFolder(join(path, ".."));
    const subscribe = (listener: (line: string) => void) => {
      this.#noteListeners.add(listener);
      return () => this.#noteListeners.delete(listener);
    };
    const owner = () => ({ coordinator: formatEndpoint(coordinator), account: this.#identity.account });
    this.#localServer = this.#stack.use(new LocalServer(listenLocal(path), this, owner, subscribe));
    this.#restoreFetches();
    await this.#sharing.refreshAll(this.#stop.signal);
    announcer.reconcile((error) => this.#reconcileFailed(error));
  }

  /** Proves a password as it is prepared now, or else as it was typed: so a program of before that rule set it. */
  async #logInWith(password: string, pinned: Bytes | undefined): Promise<void> {
    const { account } = this.#options;
    const prepared = opaqueString(password);
    try {
      await this.#control.login(account, prepared, pinned);
    } catch (error) {
      if (prepared === password || !(error instanceof ShoalError) || error.code !== "denied") throw error;
      await this.#control.login(account, password, pinned);
    }
  }

  async #logIn(): Promise<void> {
    const { home, coordinators, account, password } = this.#options;
    const address = this.#network;
    if (password !== undefined) {
      await this.#logInWith(password, coordinators.loginKey(address, account));
      return;
    }
    const enrolment = coordinators.enrolment(address, account, home.device.publicKey);
    if (enrolment === undefined) throw new TypeError("This device is not enrolled in the account");
    await this.#control.loginByKey(enrolment);
  }

  /** Runs the connections of fetches: large files' on threads. */
  #lane(doors: Doors): Lane {
    const here = laneHere(doors.connect);
    const threads = this.#stack.use(new LaneThreads(() => startWorker(new URL("./lane_worker.ts", import.meta.url))));
    return async (options) => {
      if (options.content.bytes < threadedFromBytes) return await here(options);
      const leave = await doors.enter(options.holder.endpoints[0]!, options.signal);
      try {
        await threads.lane({
          ...options,
          begin(manifest, has) {
            leave();
            return options.begin(manifest, has);
          },
        });
      } finally {
        leave();
      }
    };
  }

  #restoreFetches(): void {
    const { goesOn, paused } = this.#fetches.restore();
    if (!this.#options.stays || goesOn + paused === 0) return;
    const facts = [...(goesOn > 0 ? [`${goesOn} go on`] : []), ...(paused > 0 ? [`${paused} paused`] : [])];
    this.#note(`Unfinished fetches of an earlier run: ${facts.join(", ")}; see them with: transfers`);
  }

  /** What the program prints when it is ready. */
  get ready(): PeerEvent & { type: "ready" } {
    const { ip, port } = this.#local;
    const { account, label } = this.#identity;
    return { type: "ready", v: 1, program: "peer", address: ip, port, account, device: label };
  }

  async *run(command: Command, signal: AbortSignal): AsyncGenerator<PeerEvent | CommandEnd> {
    const events = new AsyncQueue<PeerEvent>();
    let exitCode = 0;
    const stopped = AbortSignal.any([signal, this.#stop.signal]);
    const work = this.#perform(command, stopped, (event) => events.push(event))
      .catch((error) => {
        const failed = asShoalError(error, stopped);
        if (exitCode === 0) exitCode = failed.exitCode;
        events.push(errorEvent(failed));
      })
      .finally(() => events.close());
    for await (const event of events) {
      if (event.type === "file") this.#remember(event.name);
      if (event.type === "error") {
        if (this.#stop.signal.aborted && this.#endReason !== undefined) {
          exitCode = this.#endReason.exitCode;
          continue;
        }
        if (exitCode === 0) exitCode = new ShoalError(event.code, "").exitCode;
      }
      yield event;
    }
    await work;
    yield { type: "end", exitCode };
    const ends = command.command === "quit" || (command.command === "logout" && exitCode === 0);
    if (ends) this.#end(undefined);
  }

  async #perform(command: Command, signal: AbortSignal, emit: (event: PeerEvent) => void): Promise<void> {
    switch (command.command) {
      case "share":
        if (this.#identity.role === "readOnly") throw cannotShare();
        await checkAudience(this.#control, command.audience);
        for await (
          const event of this.#sharing.share(
            { paths: command.paths, audience: command.audience, description: command.description },
            signal,
            emit,
          )
        ) emit(event);
        return;
      case "fetch":
        await this.#fetches.run(command, signal, emit);
        return;
      case "logout":
        emit(await this.#logOut());
        return;
      case "serve":
      case "quit":
        return;
      default: {
        const events = answerQuery(command, this.#queryContext(), signal, emit);
        for (;;) {
          const next = await untilAborted(events.next(), signal);
          if (next.done === true) return;
          emit(next.value);
        }
      }
    }
  }

  /** Takes this device's key from it, at the coordinator and here. */
  async #logOut(): Promise<PeerEvent> {
    const { account, label } = this.#identity;
    await this.#control.request({ kind: "revokeDevice", label });
    this.#options.coordinators.forget(this.#network, account);
    return { type: "loggedOut", account, device: label };
  }

  /** Under which address what is kept of its coordinators stands. */
  get #network(): string {
    const { coordinator, coordinators } = this.#options;
    return coordinators.networkOf(formatEndpoint(coordinator));
  }

  #queryContext(): QueryContext {
    return {
      control: this.#control,
      sharing: this.#sharing,
      watches: this.#watches,
      nowMs: () => this.#clock.nowMs(),
      uploads: this.#uploads,
      bandwidth: this.#bandwidth,
      fetches: this.#fetches,
      receipts: this.#fetchStore,
      known: this.#known,
      identity: this.#identity,
      coordinator: formatEndpoint(this.#control.coordinator),
      address: this.#local,
      reachable: this.#alive?.reachable ?? "unknown",
      home: this.#options.home.folders.state,
      prove: this.#prove,
      random: randomBytes,
    };
  }

  nextNote(): Promise<PeerEvent | undefined> {
    return this.#notes.next();
  }

  knownNames(): Promise<readonly string[]> {
    const names = new Set([...this.#foundNames].reverse());
    for (const file of this.#sharing.list()) {
      if (names.size >= knownNamesMax) break;
      names.add(file.name);
    }
    return Promise.resolve([...names]);
  }

  /** Takes no more commands of other processes, and waits until those that run are done. */
  drain(): Promise<void> {
    return this.#localServer.drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(leaving);
    this.#notes.close();
    await this.#stack.disposeAsync();
  }

  #online(identity: Identity, alive: Alive, again: boolean): void {
    this.#identity = identity;
    const trust = this.#known.check(identity.coordinatorKey, identity.account, identity.accountKey);
    if (trust === "changed") {
      this.#note(`The key of your account ${identity.account} is a new one: others must trust it anew`);
    }
    // This key opened with the password, which the coordinator does not know, or is the one met then: it needs no further proof.
    this.#known.remember(identity.coordinatorKey, identity.account, identity.accountKey);
    this.#options.coordinators.remember(this.#network, identity);
    if (again) this.#note(`Connected again: logged in as ${identity.account} (${identity.label})`);
    this.#takeAlive(alive);
    this.#watches.online(formatHex(identity.coordinatorKey), identity.account, this.#options.stays);
  }

  #takeAlive(alive: Alive): void {
    this.#alive = alive;
    this.#clock.set(alive.timeMs);
    this.#options.coordinators.rememberOthers(this.#network, alive.coordinators);
    if (!alive.sharesMatch && this.#control !== undefined) {
      this.#sharing.announcer?.reconcile((error) => this.#reconcileFailed(error));
    }
  }

  #reconcileFailed(error: unknown): void {
    if (!(error instanceof ShoalError)) throw error;
    // Out of reach: the next keep-alive notices the difference. A refusal is for a person.
    if (!error.retryable) this.#note(`Cannot announce what is shared: ${error.message}`);
  }

  /** The holders of a content that stand up to every check, and why others do not. */
  async #locate(content: Content, offer: boolean): Promise<Located> {
    const found: VerifiedHolder[] = [];
    const refused: ShoalError[] = [];
    for await (const entry of holders(this.#control, content, { offer })) {
      const holder = verifyHolder(entry, {
        certificateKey,
        certificateHash,
        checkAccountKey: (account, key) => this.#known.meet(this.#identity.coordinatorKey, account, key),
        coordinatorIsLoopback: isLoopback(this.#options.coordinator.ip),
      });
      if (holder instanceof ShoalError) refused.push(holder);
      else found.push(holder);
      // More than can be asked: each question starts at another holder.
      if (found.length >= lanesMaxOf(content)) break;
    }
    return { holders: found, refused };
  }

  #uploadEnded(reason: unknown): void {
    if (reason === undefined || reason instanceof ShoalError) return;
    this.#note(`An upload failed by a mistake of this program: ${String(reason)}`);
  }

  #remember(name: string): void {
    this.#foundNames.delete(name);
    this.#foundNames.add(name);
    if (this.#foundNames.size > knownNamesMax) this.#foundNames.delete(this.#foundNames.values().next().value!);
  }

  #note(message: string): void {
    this.#tell({ type: "note", message });
  }

  /** Tells whoever listens something that belongs to no command. */
  #tell(event: PeerEvent): void {
    this.#notes.push(event);
    const line = JSON.stringify(event);
    for (const listener of this.#noteListeners) listener(line);
  }
}

/** The device's certificate: made once, so that it stays the same as long as the key. */
export async function deviceCertificate(home: Home): Promise<Bytes> {
  const path = join(home.folders.state, "device.crt");
  const stored = readPrivateFile(path);
  const key = stored === undefined ? undefined : certificateKey(stored);
  if (stored !== undefined && key !== undefined && bytesEqual(key, home.device.publicKey)) return stored;
  const made = await makeCertificate(home.device);
  writePrivateFile(path, made);
  return made;
}

function startPasswordWorker(): Worker {
  return startWorker(new URL("./password_worker.ts", import.meta.url));
}

/** Starts the thread that proves passwords. */
export function startPasswordProver(): PasswordProver {
  return new PasswordProver(startPasswordWorker);
}

function cannotShare(): ShoalError {
  return new ShoalError("readOnly", "Cannot share: your account may search and fetch, not share", {
    hint: "Ask the operator of the coordinator",
  });
}

/** Loopback stays on loopback; else every address of the coordinator's family. */
export function listenAddress(coordinatorIp: string): string {
  if (isLoopback(coordinatorIp)) return coordinatorIp.includes(":") ? "::1" : "127.0.0.1";
  return coordinatorIp.includes(":") ? "::" : "0.0.0.0";
}

function randomBytes(size: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(size));
}

function formatWait(ms: number): string {
  return ms === 0 ? "now" : `in ${(ms / 1000).toFixed(1)} s`;
}

/** A command's failure in the terms of our errors; an abort is an interruption; a mistake of ours says so. */
function asShoalError(error: unknown, signal: AbortSignal): ShoalError {
  if (error instanceof ShoalError) return error;
  if (signal.aborted) return new ShoalError("interrupted", "Interrupted");
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new ShoalError("unknown", `This program made a mistake: ${text}`, { cause: error });
}
