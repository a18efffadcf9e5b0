/**
 * web: what people use where there is nothing but a web server: curl from nginx over TLS 1.3, then `openssl dgst -sha256` on what came.
 * nginx runs from a folder of its own, on loopback, as this user.  (I/O)
 */

import { join } from "@std/path";
import { certificatePem, makeCertificate, privateKeyPem } from "../../../lib/net/certificate.ts";
import { signingKeyFrom } from "../../../lib/session/device_key.ts";
import { freePort, run, untilListening } from "../ground.ts";
import type { Tool } from "../tool.ts";

const serverName = "peer.invalid";

export const web: Tool = {
  name: "nginx TLS + curl + openssl",
  kind: "server",
  needs: ["nginx", "curl", "openssl"],
  prepare: async ({ stage, source, fileName }, work) => {
    const port = freePort();
    // The key guards nothing: it lives for one run on loopback.
    const key = signingKeyFrom(new Uint8Array(32).fill(1));
    const [certificate, secret] = [join(work, "certificate.pem"), join(work, "key.pem")];
    await Deno.writeTextFile(certificate, certificatePem(await makeCertificate(key)));
    await Deno.writeTextFile(secret, privateKeyPem(key), { mode: 0o600 });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(work, name)};`).join(" ");
    const config = `daemon off; ${Deno.uid() === 0 ? "user root; " : ""}worker_processes 1;
pid ${join(work, "nginx.pid")}; error_log ${join(work, "nginx.log")}; events {}
http { access_log off; sendfile on; ${temporary}
server { listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.3; ssl_certificate ${certificate};
ssl_certificate_key ${secret}; root ${source}; } }`;
    await Deno.writeTextFile(join(work, "nginx.conf"), config);
    const nginx = stage.run(["-c", join(work, "nginx.conf"), "-p", work, "-e", join(work, "nginx.log")], {
      executable: "nginx",
    });
    await untilListening(nginx, port);
    const curl = ["-sS", "--fail", "--cacert", certificate, "--resolve", `${serverName}:${port}:127.0.0.1`];
    return {
      running: { sending: [nginx.pid], receiving: [] },
      fetch: async (folder, watch) => {
        const started = (program: { readonly pid: number }) => watch("receiving", program);
        const target = join(folder, fileName);
        await run("curl", [...curl, "-o", target, `https://${serverName}:${port}/${fileName}`], { started });
        await run("openssl", ["dgst", "-sha256", target], { started });
      },
      stop: async () => {
        // SIGKILL, with which the stage ends programs, would leave its worker behind.
        nginx.signal("SIGTERM");
        await nginx.end();
      },
    };
  },
};
