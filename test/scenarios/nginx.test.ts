// nginx: a master with two workers that share memory and channels; clients keep their connections over the dump.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listChildren } from "../../src/kernel/proc/tasks.js";
import { startExecutable } from "../support/program.js";
import { freePort } from "./free-port.js";
import { atRandomMoments, testWith } from "./moments.js";
import { endingWith, startService, until } from "./round-trip.js";

const DOWNLOAD_BYTES = 6 << 20;

class Site implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), "nginx-"));
  readonly configuration = join(this.home, "nginx.conf");
  readonly download = randomBytes(DOWNLOAD_BYTES);

  constructor(readonly port: number) {
    mkdirSync(join(this.home, "html"));
    writeFileSync(join(this.home, "html", "download"), this.download);
  }

  /** A worker lets `rate` a second pass. */
  configure(answer: string, { rate }: { readonly rate: string }): void {
    writeFileSync(
      this.configuration,
      `daemon off; worker_processes 2; user root; pid nginx.pid; error_log stderr notice;
      events { worker_connections 64; multi_accept on; }
      http {
        access_log off; client_body_temp_path body; keepalive_requests 100000;
        limit_conn_zone $server_name zone=connections:1m;
        server {
          listen 127.0.0.1:${this.port}; root html;
          location = / { return 200 "${answer} $pid $connection_requests"; }
          location = /download { aio threads; limit_rate ${rate}; limit_conn connections 2; }
        }
      }`,
    );
  }

  get(path: string, agent: Agent): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port: this.port, path, agent }, resolve).on("error", reject).end();
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  return Buffer.concat(pieces);
}
const words = async (response: Promise<IncomingMessage>) => (await bodyOf(await response)).toString().split(" ");
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

testWith(
  ["/usr/sbin/nginx"],
  "nginx with two workers serves a download to its end, kept connections and new ones, and reloads",
  async () => {
    using site = new Site(await freePort());
    site.configure("one", { rate: "1m" });
    await using service = await startService();
    await using program = await startExecutable("/usr/sbin/nginx", {
      arguments: ["-p", site.home, "-c", site.configuration, "-e", "stderr"],
      readyLine: "",
    });
    const workers = () => listChildren(program.pid);
    await until("it serves", () => workers().length === 2);
    using _ = endingWith(program.pid);
    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    const downloading = site.get("/download", new Agent()).then(bodyOf);
    downloading.catch(() => undefined);
    const [, pid] = await words(site.get("/", kept));

    let requests = 1;
    await atRandomMoments(service, program.pid, {
      options: { tcpEstablished: true },
      works: async () => {
        for (const count of [++requests, ++requests])
          assert.deepEqual(await words(site.get("/", kept)), ["one", pid, String(count)]);
        const fresh = await words(site.get("/", new Agent()));
        assert.ok(workers().includes(Number(fresh[1]) as never));
      },
    });
    assert.equal(sha256(await downloading), sha256(site.download));

    const old = workers();
    site.configure("two", { rate: "0" });
    program.signal("SIGHUP");
    await until(
      "new workers have come, and the old ones gone",
      () => workers().length === 2 && !workers().some((worker) => old.includes(worker)),
    );
    assert.equal((await words(site.get("/", new Agent())))[0], "two");
    assert.equal(sha256(await bodyOf(await site.get("/download", new Agent()))), sha256(site.download));
    program.signal("SIGQUIT");
    await program.gone();
    kept.destroy();
  },
);
