// sshd with a session of somebody who stays logged in, and with a connection that has not said yet who it is: that one is served by a process without rights,
// in an empty root directory and under a seccomp filter.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readStatus } from "../../src/kernel/proc/status.js";
import "../support/own-terminals.js";
import { startExecutable } from "../support/program.js";
import { freePort } from "./free-port.js";
import { atRandomMoments, testWith } from "./moments.js";
import { endingWith, startService, treeOf, until } from "./round-trip.js";

/** Keys, a configuration, and what ssh(1) needs to come in. */
class Host implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), "sshd-"));
  readonly configuration = this.#at("sshd_config");

  constructor(readonly port: number) {
    for (const key of ["host", "user"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", this.#at(key)], { stdio: "ignore" });
    copyFileSync(this.#at("user.pub"), this.#at("authorized"));
    const settings = {
      Port: port,
      ListenAddress: "127.0.0.1",
      HostKey: this.#at("host"),
      AuthorizedKeysFile: this.#at("authorized"),
      PermitRootLogin: "yes",
      StrictModes: "no",
      PidFile: "none",
      UsePAM: "no",
      PrintMotd: "no",
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
    writeFileSync(this.configuration, `${lines.join("\n")}\n`);
    mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  }

  #at(name: string): string {
    return join(this.home, name);
  }

  /** With a terminal there. */
  logIn(): ChildProcess {
    const options = ["StrictHostKeyChecking=no", `UserKnownHostsFile=${this.#at("known")}`, "LogLevel=ERROR"];
    return spawn(
      "ssh",
      [
        "-F",
        "none",
        "-tt",
        "-i",
        this.#at("user"),
        ...options.flatMap((option) => ["-o", option]),
        "-p",
        String(this.port),
        "root@127.0.0.1",
        "exec bash --norc --noprofile",
      ],
      { stdio: ["pipe", "pipe", "inherit"], env: { PATH: process.env["PATH"], TERM: "dumb" } },
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** What a stream has given so far. */
function textOf(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.setEncoding("latin1").on("data", (piece) => {
    text += piece;
  });
  return () => text;
}

/** Goes as far as the server's offer of algorithms. */
async function anonymous(port: number): Promise<{ socket: Socket; said: () => string }> {
  const socket = connect(port, "127.0.0.1");
  const said = textOf(socket);
  await until("the server has said who it is", () => said().includes("\r\n"));
  socket.write("SSH-2.0-nobody\r\n");
  await until("the server has made an offer", () => said().includes("curve25519-sha256"));
  return { socket, said };
}

testWith(
  ["/usr/sbin/sshd", "/usr/bin/ssh"],
  "sshd keeps a session, and one that has not logged in, and lets others in",
  async () => {
    using host = new Host(await freePort());
    await using service = await startService();
    await using program = await startExecutable("/usr/sbin/sshd", {
      arguments: ["-D", "-e", "-f", host.configuration],
      readyLine: "",
    });
    await until("it listens", () => program.output().includes("Server listening"));
    const session = host.logIn();
    const screen = textOf(session.stdout);
    const run = async (command: string, shows: RegExp) => {
      const seen = screen().length;
      session.stdin?.write(`${command}\n`);
      await until(`${shows} is shown after ${command}`, () => shows.test(screen().slice(seen)));
    };
    try {
      await run("PS1=; stty -echo; remembered=$((6 * 7)); echo in", /^in\r\n/m);
      const guest = await anonymous(host.port);
      using _ = endingWith(program.pid);
      const confined = () => treeOf(program.pid).filter((pid) => (readStatus(pid)?.seccomp ?? 0) > 0).length;
      assert.equal(confined(), 1);

      await atRandomMoments(service, program.pid, {
        options: { tcpEstablished: true },
        works: async (moment) => {
          assert.equal(confined(), 1);
          await run(`echo $remembered at ${moment}`, new RegExp(`^42 at ${moment}\r\n`, "m"));
          await run("sh -c 'echo here; exec sleep 1000'", /^here\r\n/m);
          session.stdin?.write("\x03");
          await run("echo $?", /^130\r\n/m);
          const other = host.logIn();
          const said = textOf(other.stdout);
          other.stdin?.end("echo $((2 * 21)); exit\n");
          await once(other, "exit");
          assert.match(said(), /^42\r\n/m);
        },
      });
      guest.socket.write("what is not SSH at all, in a packet that is much too long\r\n");
      await once(guest.socket, "close");
      await until("its process is gone", () => confined() === 0);
      session.stdin?.end("exit 5\n");
      assert.deepEqual(await once(session, "exit"), [5, null]);
    } finally {
      session.kill();
    }
  },
);
