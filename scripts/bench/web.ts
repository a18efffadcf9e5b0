/**
 * web: what people use where a coordinator is not at hand: curl from nginx over TLS 1.3, then `openssl dgst -sha256`. nginx runs from
 * a folder of its own, on loopback, as this user.  (I/O)
 */

import { join } from "@std/path";
import { certificatePem, makeCertificate, privateKeyPem } from "../../lib/net/certificate.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";

const serverName = "peer.invalid";

/** A web server that has the files of one folder. */
export class Web implements AsyncDisposable {
  readonly #nginx: Deno.ChildProcess;
  readonly #curl: readonly string[];
  readonly #origin: string;

  private constructor(nginx: Deno.ChildProcess, curl: readonly string[], origin: string) {
    this.#nginx = nginx;
    this.#curl = curl;
    this.#origin = origin;
  }

  /** Starts nginx with `folder` for its files and `workFolder` for its own; undefined where one of the programs is missing. */
  static async start(folder: string, workFolder: string): Promise<Web | undefined> {
    for (const program of ["nginx", "curl", "openssl"]) if (!await isInstalled(program)) return undefined;
    const port = freePort();
    // The key guards nothing: it lives for one run on loopback.
    const key = signingKeyFrom(new Uint8Array(32).fill(1));
    const [certificate, secret] = [join(workFolder, "certificate.pem"), join(workFolder, "key.pem")];
    await Deno.writeTextFile(certificate, certificatePem(await makeCertificate(key)));
    await Deno.writeTextFile(secret, privateKeyPem(key), { mode: 0o600 });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(workFolder, name)};`).join(" ");
    const config = `daemon off; ${Deno.uid() === 0 ? "user root; " : ""}worker_processes 1;
pid ${join(workFolder, "nginx.pid")}; error_log ${join(workFolder, "nginx.log")}; events {}
http { access_log off; sendfile on; ${temporary}
server { listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.3; ssl_certificate ${certificate};
ssl_certificate_key ${secret}; root ${folder}; } }`;
    await Deno.writeTextFile(join(workFolder, "nginx.conf"), config);
    const nginx = new Deno.Command("nginx", {
      args: ["-c", join(workFolder, "nginx.conf"), "-p", workFolder, "-e", join(workFolder, "nginx.log")],
    }).spawn();
    const curl = ["-sS", "--fail", "--cacert", certificate, "--resolve", `${serverName}:${port}:127.0.0.1`];
    const web = new Web(nginx, curl, `https://${serverName}:${port}`);
    // Until it answers: curl itself tries again.
    const retries = ["--retry", "50", "--retry-connrefused", "--retry-delay", "0", "--head"];
    await run("curl", [...curl, ...retries, "-o", "/dev/null", `${web.#origin}/`], true);
    return web;
  }

  /** Fetches a file and hashes it, as a careful person would; milliseconds for both. With `sync` the disk has it then. */
  async fetch(name: string, target: string, sync: boolean): Promise<number> {
    const fromMs = performance.now();
    await run("curl", [...this.#curl, "-o", target, `${this.#origin}/${name}`]);
    await run("openssl", ["dgst", "-sha256", target]);
    if (sync) await run("sync", [target]);
    return performance.now() - fromMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#nginx.kill();
    await this.#nginx.status;
  }
}

async function isInstalled(program: string): Promise<boolean> {
  const which = new Deno.Command("which", { args: [program], stdout: "null", stderr: "null" });
  return (await which.output()).success;
}

async function run(program: string, args: readonly string[], mayFail = false): Promise<void> {
  const { success } = await new Deno.Command(program, { args: [...args], stdout: "null" }).output();
  if (!success && !mayFail) throw new Error(`${program} failed`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
