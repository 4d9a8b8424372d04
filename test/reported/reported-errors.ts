// The error messages that users of CRIU report most, with issues of github.com/checkpoint-restore/criu that are about them, how each comes
// about, and what stasis says. docs/reported-errors.md is made from this; reported-errors.test.ts provokes each.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program as stasis } from "../service/running-service.js";
import { type Program, startExecutable, startProgram } from "../support/program.js";

/** Where one error is provoked. */
export interface Scene extends Disposable {
  readonly directory: string;
  readonly images: string;
  /** Result: what was said on stderr, without what stands before the sentence. */
  run(args: readonly string[], options?: { readonly path?: string }): string;
  dump(pid: number, ...more: readonly string[]): string;
}

export function newScene(): Scene {
  const directory = mkdtempSync(join(tmpdir(), "reported-"));
  const images = join(directory, "images");
  mkdirSync(images);
  const run: Scene["run"] = (args, { path = process.env["PATH"] ?? "" } = {}) => {
    const env = { ...process.env, PATH: path };
    const { stderr } = spawnSync(process.execPath, [stasis, ...args], { encoding: "utf8", env });
    return stderr.trim().replace(/^Error: /, "");
  };
  const dump: Scene["dump"] = (pid, ...more) => run(["dump", "-t", String(pid), "-D", images, "-v1", ...more]);
  return { directory, images, run, dump, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

export interface Reported {
  readonly theirs: string;
  readonly issues: readonly number[];
  /** What stasis says, with PID, N and DIR for what differs each time. */
  readonly ours: string;
  /** Result: what was said; undefined: this machine cannot show it. */
  provoke(scene: Scene): Promise<string | undefined>;
}

const python = (code: string, ...more: readonly string[]) =>
  startExecutable("/usr/bin/python3", { arguments: ["-c", code, ...more] });
const READY = "print('ready', flush=True); import time; time.sleep(100000)";

/** Dumps a program of these lines. */
const dumping =
  (code: string, ...more: readonly string[]): Reported["provoke"] =>
  async ({ dump }) => {
    await using program = await python(`${code}\n${READY}`);
    return dump(program.pid, ...more);
  };

/** Dumps and ends a program, changes something, and restores. */
const restoringAfter =
  (
    code: string,
    change: (around: { readonly program: Program; readonly scene: Scene }) => unknown,
  ): Reported["provoke"] =>
  async (scene) => {
    await using program = await python(`${code}\n${READY}`);
    assert.equal(scene.dump(program.pid), "");
    await program.gone();
    await change({ program, scene });
    return scene.run(["restore", "-D", scene.images, "-d", "-v1"]);
  };

/** A program that test/operations/refusal.test.ts dumps too. */
const dumpingRefused =
  (what: string): Reported["provoke"] =>
  async ({ dump }) => {
    await using program = await startProgram("refused", { arguments: [what], readyLine: "" });
    const end = performance.now() + 20_000;
    while (!/^(ready|unavailable)$/m.test(program.output()) && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 5));
    return program.output() === "ready\n" ? dump(program.pid) : undefined;
  };

const connectedTcp = `
import socket
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen()
c = socket.create_connection(l.getsockname()); a, _ = l.accept()`;

export const reportedErrors: readonly Reported[] = [
  {
    theirs: "unix: Can't dump half of stream unix connection.",
    issues: [505, 796, 1788],
    ours: 'Cannot dump the file fd N -> socket:[N] of pid PID "python3": it is connected to socket N, which is outside of the tree; pass --external unix[N] and, on the restore, --inherit-fd fd[N]:socket:[N], or dump the other program with it',
    async provoke({ directory, dump }) {
      const path = join(directory, "listening");
      const server = createServer().listen(path);
      try {
        const accepted = once(server, "connection");
        await using program = await python(
          `import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); ${READY}`,
          path,
        );
        await accepted;
        return dump(program.pid);
      } finally {
        server.close();
      }
    },
  },
  {
    theirs: "inet: Connected TCP socket, consider using --tcp-established option.",
    issues: [286, 589],
    ours: 'Cannot dump the file fd N -> socket:[N] of pid PID "python3": it is a TCP connection to 127.0.0.1:N; pass --tcp-established, or --tcp-close to have it come back closed',
    provoke: dumping(connectedTcp),
  },
  {
    theirs: 'execvp("iptables-restore", ...) failed: No such file or directory',
    issues: [2339],
    ours: "Cannot close the network to the TCP connections of the tree netfilter: --network-lock iptables was asked for, and iptables is not installed; install it, or use --network-lock nftables, which needs no tool",
    async provoke(scene) {
      await using program = await python(`${connectedTcp}\n${READY}`);
      const options = ["--tcp-established", "--network-lock", "iptables", "-v1"];
      return scene.run(["dump", "-t", String(program.pid), "-D", scene.images, ...options], { path: "/nowhere" });
    },
  },
  {
    theirs: "inet: Can't bind inet socket: Address already in use",
    issues: [312, 457, 1784],
    ours: "Cannot restore the file files.img: socket (file N): the kernel refused to bind it to 127.0.0.1:N (EADDRINUSE); end the program that uses this address",
    async provoke(scene) {
      const server = createServer();
      const result = await restoringAfter(
        `import socket\nl = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(); open("port", "w").write(str(l.getsockname()[1]))`,
        ({ program }) =>
          new Promise<void>((resolve, reject) => {
            const port = Number(readFileSync(join(program.directory, "port"), "utf8"));
            server.once("error", reject).listen(port, "127.0.0.1", resolve);
          }),
      )(scene);
      server.close();
      return result;
    },
  },
  {
    theirs: "A session leader of N(N) is outside of its pid namespace",
    issues: [232, 1628],
    ours: 'Cannot dump pid PID "python3": it is not the leader of its session (N), so its session and terminal are outside of the tree; pass --shell-job, or start it with setsid',
    async provoke({ dump }) {
      // The parent alone says that it is ready, when it has written.
      const child = `import os, signal\npid = os.fork()\nif pid == 0: signal.pause()\nopen("child", "w").write(str(pid))\n${READY}`;
      await using program = await python(child);
      return dump(Number(readFileSync(join(program.directory, "child"), "utf8")));
    },
  },
  {
    theirs: "Can't fork for N: File exists",
    issues: [2190, 2383, 2692, 2779],
    ours: 'Cannot restore pid PID "python3": its pid is taken by a living process, a zombie, a session or a process group; end that process, or wait until its parent has reaped it',
    async provoke(scene) {
      await using program = await python(READY);
      assert.equal(scene.dump(program.pid, "-R"), "");
      return scene.run(["restore", "-D", scene.images, "-d", "-v1"]);
    },
  },
  {
    theirs: "Can't dump ghost file X of N size, increase limit",
    issues: [202, 230, 518, 537, 2501],
    ours: 'Cannot dump the file fd N -> DIR/gone (deleted) of pid PID "python3": it was deleted and holds N bytes, more than the limit of N for what goes into the images; pass --ghost-limit N',
    provoke: dumping(`import os\nf = open("gone", "w+"); f.write("x" * (2 << 20)); f.flush(); os.unlink("gone")`),
  },
  {
    theirs: "Some file locks are hold by dumping tasks! You can try --file-locks to dump them.",
    issues: [14, 154, 1370, 2018],
    ours: 'Cannot dump the file fd N -> DIR/locked of pid PID "python3": a FLOCK lock is held on it; pass --file-locks, or have the program release it',
    provoke: dumping(`import fcntl\nf = open("locked", "w"); fcntl.flock(f, fcntl.LOCK_EX)`),
  },
  {
    theirs: "Can't create link remap for X. Use link-remap option.",
    issues: [219, 1113, 2016],
    ours: 'Cannot dump the file fd N -> DIR/one (deleted) of pid PID "python3": its name was removed while it has others; pass --link-remap, or have it closed',
    provoke: dumping(`import os\nf = open("one", "w"); os.link("one", "two"); os.unlink("one")`),
  },
  {
    theirs: "File X has bad size N (expect N)",
    issues: [68, 515, 1049, 1258],
    ours: 'Cannot restore the file "DIR/kept": it has N bytes now, and had N when it was dumped; put the file back as it was',
    provoke: restoringAfter(`f = open("kept", "w"); f.write("four"); f.flush()`, ({ program }) =>
      appendFileSync(join(program.directory, "kept"), "more"),
    ),
  },
  {
    theirs: "Can't open file X: No such file or directory",
    issues: [1251],
    ours: 'Cannot restore the file "DIR/kept": it is gone; put the file back as it was',
    provoke: restoringAfter(`f = open("kept", "w")`, ({ program }) => rmSync(join(program.directory, "kept"))),
  },
  {
    theirs: "Unknown shit 600 (anon_inode:[io_uring])",
    issues: [2131, 2673, 3070],
    ours: 'Cannot dump the file fd N -> anon_inode:[io_uring] of pid PID "refused": rings of io_uring(7), are not supported yet; have the program close it before the dump',
    provoke: dumpingRefused("ring"),
  },
  {
    theirs: "Can't dump file N of that type [20660] (chr N:N)",
    issues: [441, 1873],
    ours: 'Cannot dump the file fd N -> /dev/loop-control of pid PID "python3": it is a device (N:N) whose state cannot be read; have the program close it before the dump',
    async provoke(scene) {
      return existsSync("/dev/loop-control") ? dumping('f = open("/dev/loop-control")')(scene) : undefined;
    },
  },
  {
    theirs: "Can't lookup mount=N for fd=N path=X",
    issues: [1893, 2341],
    ours: 'Cannot dump pid PID "python3": it is in a mnt namespace other than that of stasis, which is not supported yet; run stasis inside that mnt namespace',
    async provoke({ dump }) {
      await using program = await startExecutable("/usr/bin/unshare", {
        arguments: ["-m", "/usr/bin/python3", "-c", READY],
      });
      return dump(program.pid);
    },
  },
  {
    theirs: "The criu itself is within dumped tree.",
    issues: [2080],
    ours: 'Cannot dump pid PID "bash": stasis itself (pid PID) is inside its tree; ask a service that was started elsewhere',
    async provoke({ directory, images }) {
      const log = join(directory, "log");
      const line = `${stasis} dump -t $$ -D ${images} -j -v1 2> ${log}; :`;
      spawnSync("bash", ["-c", line]);
      return readFileSync(log, "utf8")
        .trim()
        .replace(/^Error: /, "");
    },
  },
  {
    theirs: "Unable to interrupt task: N (Operation not permitted)",
    issues: [1753],
    ours: 'Cannot freeze pid PID "refused": process N traces it; end the debugger or the other dump first',
    provoke: dumpingRefused("traced"),
  },
  {
    theirs: "Can't open dir X: No such file or directory",
    issues: [1318],
    ours: 'Cannot use option images-dir: "DIR/nowhere" cannot be opened as a directory: ENOENT',
    provoke: async ({ run, directory }) => run(["dump", "-t", "1", "-D", join(directory, "nowhere"), "-v1"]),
  },
  {
    theirs: "Magic doesn't match for core-N.img",
    issues: [2825],
    ours: "Cannot read the image core-N.img: it starts with N, current format starts with N",
    provoke: restoringAfter("", ({ program, scene }) =>
      writeFileSync(join(scene.images, `core-${program.pid}.img`), "what is this"),
    ),
  },
];
