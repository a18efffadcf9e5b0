/** password_worker: the thread that PasswordProver starts: does the steps of a login's password proof. (I/O: messages) */

import { loadOpaque, type ProofStep, prove, type Proved } from "../session/opaque.ts";

declare const self: { onmessage: (event: MessageEvent<ProofStep>) => void; postMessage(proved: Proved): void };

const loaded = loadOpaque();

self.onmessage = async ({ data }) => {
  await loaded;
  self.postMessage(prove(data));
};
