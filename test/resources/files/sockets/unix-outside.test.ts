// Unix sockets that are connected to another program, which is not dumped.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Service, startService } from "../../../scenarios/round-trip.js";
import { type Program, startExecutable } from "../../../support/program.js";

const python = (script: string, ...words: string[]) =>
  startExecutable("/usr/bin/python3", { arguments: ["-c", script, ...words] });
const inodeOf = ({ pid }: Program) => Number(/\d+/.exec(readlinkSync(`/proc/${pid}/fd/3`))?.[0]);

const receives = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])
print("ready", flush=True)
while True: print(s.recv(100).decode(), flush=True)
`;
/** Its socket is descriptor 3. What waits in that is said in the end. */
const sends = `
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("\\0client" + sys.argv[1])
other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); other.sendto(b"waits", "\\0client" + sys.argv[1]); other.close()
s.connect(sys.argv[1]); s.send(b"before")
print("ready", flush=True)
signal.sigwait([signal.SIGUSR2])
s.send(b"after")
print(s.recv(100).decode(), s.getpeername() == sys.argv[1], s.getblocking(), flush=True)
`;
const talks = `
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b"hello\\n")
print("ready", flush=True)
signal.sigwait([signal.SIGUSR2])
s.send(b"again\\n")
print(s.recv(100).decode(), flush=True)
`;
const accepts = `
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
print("ready", flush=True)
signal.sigwait([signal.SIGUSR2])
c = s.accept()[0]; print(c.recv(6).decode(), flush=True)
print(c.recv(6).decode(), flush=True); c.send(b"answer")
`;

describe("unix sockets with the other end outside", () => {
  const directory = mkdtempSync(join(tmpdir(), "unix-outside-"));
  let service: Service;
  before(async () => {
    service = await startService();
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  test("a datagram socket is connected to the same name again, with --ext-unix-sk on both sides", async () => {
    const path = join(directory, "receiver");
    await using receiver = await python(receives, path);
    await using sender = await python(sends, path);
    await receiver.waitFor("before");
    const imagesDirectory = service.images();
    await assert.rejects(
      service.client.dump({ pid: sender.pid, imagesDirectory }),
      /it is connected to socket \d+, which is outside of the tree; pass --ext-unix-sk$/,
    );
    await service.client.dump({ pid: sender.pid, imagesDirectory, extUnixSk: true });
    await sender.gone();
    await assert.rejects(
      service.client.restore({ imagesDirectory }),
      /the other end of unix socket \(file \d+\) is outside of the tree; pass --ext-unix-sk, or --inherit-fd fd\[N\]:socket:\[\d+\] with/,
    );
    await service.client.restore({ imagesDirectory, extUnixSk: true });
    sender.signal("SIGUSR2");
    await sender.waitFor("waits True True");
    await receiver.waitFor("after");
  });

  test("a restore is refused in words while nobody has that name, and the next one succeeds", async () => {
    const path = join(directory, "away");
    await using receiver = await python(receives, path);
    await using sender = await python(sends, path);
    const options = { imagesDirectory: service.images(), extUnixSk: true };
    await service.client.dump({ ...options, pid: sender.pid });
    await receiver.end();
    await assert.rejects(
      service.client.restore(options),
      /the other end of unix socket \(file \d+\), ".*away", does not let it connect \(ECONNREFUSED\); start that program first$/,
    );
    rmSync(path);
    await using next = await python(receives, path);
    await service.client.restore(options);
    sender.signal("SIGUSR2");
    await next.waitFor("after");
  });

  test("a stream is named by its inode, in any of four ways, and is connected anew", async () => {
    for (const [index, way] of ["external", "unixSkIno", "asked", "none"].entries()) {
      const path = join(directory, `server-${index}`);
      using server = await listening(path);
      await using talker = await python(talks, path);
      assert.equal(await server.line(), "hello");
      const inode = inodeOf(talker);
      const options = { imagesDirectory: service.images(), extUnixSk: true };
      const named =
        way === "external" ? { external: [`unix[${inode}]`] } : way === "unixSkIno" ? { unixSkIno: [{ inode }] } : {};
      const onNotify = ({ script }: { readonly script: string }) =>
        way === "asked" && script === "query-ext-files" ? { external: [`unix[${inode}]`] } : undefined;
      const dumped = service.client.dump({ ...options, ...named, pid: talker.pid }, { onNotify });
      if (way === "none") {
        const message = new RegExp(
          `outside of the tree; pass --external unix\\[${inode}\\] and, on the restore, --inherit-fd fd\\[N\\]:socket:\\[${inode}\\], or dump`,
        );
        await assert.rejects(dumped, { message });
      } else {
        await dumped;
        await talker.gone();
        await service.client.restore(options);
      }
      talker.signal("SIGUSR2");
      assert.equal(await server.line(), "again");
      server.socket().write("answer");
      await talker.waitFor("answer");
    }
  });

  test("a stream that nobody has accepted yet is refused", async () => {
    const path = join(directory, "queued");
    await using listener = await python(accepts, path);
    await using talker = await python(talks, path);
    await assert.rejects(
      service.client.dump({ pid: talker.pid, imagesDirectory: service.images() }),
      /a socket outside of the tree has not accepted its connection yet; have the other program accept it$/,
    );
    listener.signal("SIGUSR2");
    await listener.waitFor("hello");
    talker.signal("SIGUSR2");
    await listener.waitFor("again");
    await talker.waitFor("answer");
  });

  test("a stream with unread data is refused, whatever is asked for", async () => {
    const path = join(directory, "unread");
    using server = await listening(path);
    await using talker = await python(talks, path);
    await server.line();
    await new Promise<void>((resolve) => server.socket().write("answer", () => resolve()));
    const options = { imagesDirectory: service.images(), external: [`unix[${inodeOf(talker)}]`] };
    await assert.rejects(
      service.client.dump({ ...options, pid: talker.pid }),
      /outside of the tree, and data waits in it that was not read; have the program read it$/,
    );
    talker.signal("SIGUSR2");
    await talker.waitFor("answer");
  });
});

async function listening(path: string) {
  const server: Server = createServer();
  const lines: string[] = [];
  const sockets: Socket[] = [];
  server.on("connection", (socket) => {
    sockets.push(socket);
    socket.on("data", (data) => {
      lines.push(data.toString().trim());
      server.emit("line");
    });
    socket.on("error", () => socket.destroy());
  });
  server.listen(path);
  await once(server, "listening");
  return {
    async line() {
      while (lines.length === 0) await once(server, "line");
      return lines.shift();
    },
    socket: () => sockets.at(-1) ?? assert.fail("nobody has connected"),
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const stasis = fileURLToPath(new URL("../../../../../bin/stasis", import.meta.url));

/** Arguments: stasis, a directory. A child has one end of a pair, and gets one of another pair on its restore. */
const inherits = `
import os, signal, socket, subprocess, sys
stasis, directory = sys.argv[1:]
ours, theirs = socket.socketpair()
child = "import os, socket; s = socket.socket(fileno=%d); s.send(b'ready'); s.send(s.recv(100) + b' heard')" % theirs.fileno()
child = subprocess.Popen([sys.executable, "-c", child], pass_fds=[theirs.fileno()], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
assert ours.recv(100) == b"ready"
inode = os.fstat(theirs.fileno()).st_ino
def run(*words): return subprocess.run([stasis, *words, "-D", directory], pass_fds=[theirs.fileno()], capture_output=True, text=True)
dumped = run("dump", "-t", str(child.pid), "--external", "unix[%d]" % inode)
assert dumped.returncode == 0, dumped.stderr
child.wait()
refused = run("restore", "-d", "--ext-unix-sk")
assert "has no name; pass --inherit-fd fd[N]:socket:[%d]" % inode in refused.stderr, refused.stderr
theirs.close()
ours, theirs = socket.socketpair()
os.set_inheritable(theirs.fileno(), True)
restored = run("restore", "-d", "--inherit-fd", "fd[%d]:socket:[%d]" % (theirs.fileno(), inode))
assert restored.returncode == 0, restored.stderr
theirs.close()
ours.send(b"words")
assert ours.recv(100) == b"words heard"
`;

test("a nameless stream is dumped without its other end, and given a new one by --inherit-fd", () => {
  const directory = mkdtempSync(join(tmpdir(), "unix-inherits-"));
  const { status, stderr } = spawnSync("/usr/bin/python3", ["-c", inherits, stasis, directory], { encoding: "utf8" });
  rmSync(directory, { recursive: true });
  assert.equal(status, 0, stderr);
});
