// What is dumped: processes that cannot be, and those that can with an option.
import { readdirSync } from "node:fs";
import type { DumpOptions } from "../../../src/index.js";
import { spawn } from "../../../src/index.js";
import { asPid } from "../../../src/kernel/brand.js";
import { readSyscall } from "../../../src/kernel/proc/sleep.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { startExecutable } from "../../support/program.js";
import { program as stasis } from "../running-service.js";
import { selfDump } from "../self-dump.js";
import { CLOSED, type Done } from "./case.js";
import { said, until, type World } from "./world.js";

const TYPED = "CRIU's worker fails an assertion";
const PF_KTHREAD = 0x200000;
const CLOCK_NANOSLEEP = 230;

const stateOf = (pid: number) => readStat(asPid(pid))?.state ?? "gone";

/** The number that the program has said behind "pid". */
async function dumpOfSaid(world: World, code: string, options: DumpOptions = {}): Promise<string> {
  await using program = await world.start(code);
  const pid = Number(/^pid (\d+)$/m.exec(program.output())?.[1]);
  return await said(
    "DUMP",
    world.client.dump({ pid, imagesDirectory: world.images(), leaveRunning: true, ...options }),
  );
}

/** Needs an option: the outcome without it, and with it. */
function policy(what: string, code: string, option: keyof DumpOptions & string, value: unknown = true): Done {
  const outcome = `DUMP false, with ${option}: DUMP ok`;
  return {
    input: what,
    theirs: outcome,
    ours: outcome,
    async act(world) {
      await using outside = await world.start(outsideOf(what));
      const place = /^outside (.*)$/m.exec(outside.output())?.[1] ?? "";
      await using program = await startExecutable("/usr/bin/python3", {
        arguments: ["-c", `${code}\nimport time; print("ready", flush=True); time.sleep(100000)`, place],
      });
      const dump = (more: DumpOptions) => {
        const options = { pid: program.pid, imagesDirectory: world.images(), leaveRunning: true };
        return said("DUMP", world.client.dump({ ...options, ...more }));
      };
      return `${await dump({})}, with ${option}: ${await dump({ [option]: value })}`;
    },
  };
}

/** Another program, which holds the other end. */
function outsideOf(what: string): string {
  if (what.includes("terminal"))
    return `import os, pty
master, slave = pty.openpty()
print("outside", os.ttyname(slave))`;
  if (!what.includes("unix")) return "";
  return `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(os.path.abspath("there"))
print("outside", os.path.abspath("there"))`;
}

const pidRow = (pid: number): Done => ({
  input: `pid ${pid}, which nobody has`,
  theirs: "DUMP false 3",
  ours: "DUMP false 3",
  act: ({ client, images }) => said("DUMP", client.dump({ pid, imagesDirectory: images() })),
});

/** Asks a swrk of its own to dump itself; argv: stasis, images, whether its pid is named. Says what it gets. */
const askOwnChild = `
import os, socket, subprocess, sys
images = os.open(sys.argv[2], os.O_RDONLY)
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
swrk = subprocess.Popen([sys.argv[1], "swrk", str(theirs.fileno())], pass_fds=[theirs.fileno()])
theirs.close()
def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)
options = bytes([0x08, images]) + (b"\\x10" + varint(os.getpid()) if sys.argv[3] == "named" else b"")
ours.send(b"\\x08\\x01\\x12" + bytes([len(options)]) + options)
answer = ours.recv(4096)
print("success", answer[3], "errno" if b"\\x38\\x03" in answer[:12] else "no errno", flush=True)
print("ready", flush=True)
`;
const insideItself = (input: string, how: "named" | "unnamed"): Done => ({
  input,
  theirs: "DUMP false",
  ours: "DUMP false",
  async act(world) {
    await using program = await startExecutable("/usr/bin/python3", {
      arguments: ["-c", askOwnChild, stasis, world.images(), how],
    });
    return program.output().includes("success 0 no errno") ? "DUMP false" : program.output();
  },
});

export const targets: readonly Done[] = [
  pidRow(4_194_303),
  pidRow(99_999_999),
  {
    input: "a zombie",
    theirs: "DUMP false 3",
    ours: "DUMP false 3",
    act: (world) =>
      dumpOfSaid(
        world,
        `import os
child = os.fork()
if child == 0: os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
print("pid", child)`,
      ),
  },
  {
    input: "a thread of the kernel",
    theirs: "DUMP false 3",
    ours: "DUMP false 3",
    async act({ client, images }) {
      const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
      const pid = pids.map(Number).find((one) => ((readStat(asPid(one))?.flags ?? 0) & PF_KTHREAD) !== 0);
      return pid === undefined ? undefined : await said("DUMP", client.dump({ pid, imagesDirectory: images() }));
    },
  },
  {
    input: "a process that somebody else traces, or that is being dumped",
    theirs: "DUMP false 3",
    ours: "DUMP false 3",
    act: (world) =>
      dumpOfSaid(
        world,
        `import ctypes, os, time
traced, told = os.pipe()
child = os.fork()
if child == 0:
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)
    os.write(told, b"x")
    time.sleep(100000)
os.read(traced, 1)
print("pid", child)`,
      ),
  },
  {
    input: "a thread that is not the first of its process",
    theirs: CLOSED,
    ours: "DUMP false 3",
    why: TYPED,
    act: (world) =>
      dumpOfSaid(
        world,
        `import threading, time
thread = threading.Thread(target=lambda: time.sleep(100000), daemon=True)
thread.start()
print("pid", thread.native_id)`,
      ),
  },
  {
    input: "the service itself",
    theirs: "DUMP false",
    ours: "DUMP false",
    async act({ client, images, service }) {
      return await said(
        "DUMP",
        client.dump({ pid: service.process.pid ?? 0, imagesDirectory: images(), shellJob: true }),
      );
    },
  },
  insideItself("a client that has started swrk, by its pid", "named"),
  insideItself("a client that has started swrk, without a pid", "unnamed"),
  {
    input: "a child of the client, through swrk",
    theirs: "DUMP ok",
    ours: "DUMP ok",
    async act(world) {
      await using program = await world.start();
      const { pid } = program;
      return await said("DUMP", spawn(stasis).dump({ pid, imagesDirectory: world.images(), leaveRunning: true }));
    },
  },
  ...[false, true].map(
    (shellJob): Done => ({
      input: `a process that does not lead its session${shellJob ? ", with shell_job" : ""}`,
      theirs: shellJob ? "DUMP ok" : "DUMP false",
      ours: shellJob ? "DUMP ok" : "DUMP false",
      act: (world) =>
        dumpOfSaid(
          world,
          `import os, time
child = os.fork()
if child == 0: time.sleep(100000)
print("pid", child)`,
          { shellJob },
        ),
    }),
  ),
  {
    input: "a process that is stopped, with leave_running; then without, and its restore",
    theirs: "DUMP ok, stopped; DUMP ok; RESTORE ok, stopped",
    ours: "DUMP ok, stopped; DUMP ok; RESTORE ok, stopped",
    async act(world) {
      await using program = await world.start();
      const { pid } = program;
      const imagesDirectory = world.images();
      program.signal("SIGSTOP");
      await until("it is stopped", () => stateOf(pid) === "T");
      const first = await said("DUMP", world.client.dump({ pid, imagesDirectory, leaveRunning: true }));
      const state = () => (stateOf(pid) === "T" ? "stopped" : stateOf(pid));
      const between = state();
      const second = await said("DUMP", world.client.dump({ pid, imagesDirectory }));
      await program.gone();
      return `${first}, ${between}; ${second}; ${await said("RESTORE", world.client.restore({ imagesDirectory }))}, ${state()}`;
    },
  },
  {
    input: "the client itself, which ends, and its restore",
    theirs: "no answer; DUMP ok, restored, to the copy",
    ours: "no answer; DUMP ok, restored, to the copy",
    async act(world) {
      const images = world.images();
      await using program = await startExecutable("/usr/bin/python3", {
        arguments: ["-c", selfDump, world.service.path, images, "end"],
      });
      await program.gone();
      const first = program.output() === "ready\n" ? "no answer" : program.output();
      await world.client.restore({ imagesDirectory: images });
      const output = await program.waitFor("closed");
      return `${first}; ${output.includes("answer 080110011a020801\n") ? "DUMP ok, restored, to the copy" : output}`;
    },
  },
  policy("a lock on a file", 'import fcntl; f = open("f", "w"); fcntl.flock(f, fcntl.LOCK_EX)', "fileLocks"),
  policy(
    "a deleted file of 2 MiB",
    'import os; f = open("f", "w"); f.write("x" * (2 << 20)); f.flush(); os.unlink("f")',
    "ghostLimit",
    4 << 20,
  ),
  policy(
    "a file that lost its name and has another",
    'import os; f = open("f", "w"); os.link("f", "g"); os.unlink("f")',
    "linkRemap",
  ),
  policy(
    "a unix datagram socket that is connected to another program",
    "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(sys.argv[1])",
    "extUnixSk",
  ),
  policy(
    "a TCP connection",
    `import socket
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen()
c = socket.create_connection(l.getsockname()); a, _ = l.accept()`,
    "tcpEstablished",
  ),
  policy(
    "a terminal whose master another program has",
    "import os, sys; fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)",
    "shellJob",
  ),
  {
    input: "a process that sleeps in nanosleep(2), and its restore",
    theirs: "RESTORE ok, asleep again",
    ours: "RESTORE ok, asleep again",
    async act(world) {
      const { program, imagesDirectory } = await world.dumped();
      await using _ = program;
      const outcome = await said("RESTORE", world.client.restore({ imagesDirectory }));
      await until("it sleeps", () => readSyscall(program.pid, program.pid)?.number === CLOCK_NANOSLEEP);
      return `${outcome}, asleep again`;
    },
  },
];
