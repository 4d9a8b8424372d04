// What is refused is refused with a sentence that names process, object and reason, and nobody is the worse for it.
import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { CriuRequestError } from "../../src/index.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { listChildren, listThreads } from "../../src/kernel/proc/tasks.js";
import { endingWith, type Service, startService, treeOf, until } from "../scenarios/round-trip.js";
import { kernelView } from "../support/kernel-view.js";
import { type Program, startProgram } from "../support/program.js";

/** By the argument of refused.c: what it does, and the sentence with PID for its number. */
const refusals: Readonly<Record<string, { readonly title: string; readonly sentence: RegExp }>> = {
  perf: {
    title: "a performance counter",
    sentence: refusedFile("perf_event", "performance counters, perf_event_open\\(2\\)"),
  },
  ring: { title: "a ring of io_uring", sentence: refusedFile("io_uring", "rings of io_uring\\(7\\)") },
  userfault: {
    title: "a userfaultfd",
    sentence: refusedFile("userfaultfd", "handlers of page faults, userfaultfd\\(2\\)"),
  },
  watched: {
    title: "memory that a userfaultfd watches",
    sentence:
      /^Cannot dump the mapping [0-9a-f]+-[0-9a-f]+ \(anonymous\) of pid PID "refused": userfaultfd watches it for missing pages; have/,
  },
  bpf: {
    title: "a BPF map of programs",
    sentence:
      /^Cannot dump the file fd 3 -> anon_inode:bpf-map of pid PID "refused": it is a BPF map of type PROG_ARRAY, which is more than keys and values; have/,
  },
  vsock: { title: "a socket of vsock(7)", sentence: refusedSocket("virtual machines and their host, vsock\\(7\\)") },
  xdp: { title: "a socket of XDP", sentence: refusedSocket("XDP \\(AF_XDP\\)") },
  multipath: { title: "a socket of multipath TCP", sentence: refusedSocket("multipath TCP") },
  corked: {
    title: "a datagram that waits for more (UDP_CORK)",
    sentence:
      /^Cannot dump the file fd 3 -> socket:\[\d+\] of pid PID "refused": it is corked \(UDP_CORK\); have the program send what/,
  },
  seccomp: {
    title: "a filter of system calls that asks a listener",
    sentence:
      /^Cannot dump pid PID "refused": a seccomp filter of its thread PID asks a listener \(SECCOMP_RET_USER_NOTIF\), and the listener cannot be made again; run/,
  },
  traced: {
    title: "a process that is traced",
    sentence: /^Cannot freeze pid PID "refused": process \d+ traces it; end the debugger or the other dump first$/,
  },
  "traced-child": {
    title: "a child that is traced",
    sentence: /^Cannot freeze pid \d+ "refused": process \d+ traces it; end the tracer, or/,
  },
  memory: {
    title: "a child that shares memory",
    sentence:
      /^Cannot dump pid \d+ "refused": it shares its address space with process PID \(CLONE_VM, vfork\), which is not supported; wait/,
  },
  vfork: {
    title: "a thread that waits in vfork",
    sentence:
      /^Cannot freeze pid PID "refused": its thread \d+ waits in vfork\(2\) for its child \d+, which has its memory; wait until/,
  },
  dispatch: {
    title: "a thread that gets its system calls as signals",
    sentence:
      /^Cannot dump pid PID "refused": its thread PID gets its system calls as signals \(PR_SET_SYSCALL_USER_DISPATCH\), which is not supported yet; have/,
  },
};
function refusedFile(name: string, what: string): RegExp {
  return new RegExp(
    `^Cannot dump the file fd 3 -> anon_inode:\\[${name}\\] of pid PID "refused": ${what}, are not supported yet; have`,
  );
}
function refusedSocket(what: string): RegExp {
  return new RegExp(
    `^Cannot dump the file fd 3 -> socket:\\[\\d+\\] of pid PID "refused": sockets of ${what} are not supported; have the program`,
  );
}

describe("a dump that is refused leaves the target as it was", { concurrency: true }, () => {
  let service: Service | undefined;
  before(async () => {
    service = await startService();
  });
  after(() => service?.[Symbol.asyncDispose]());

  for (const [what, { title, sentence }] of Object.entries(refusals)) {
    test(title, async (t) => {
      assert.ok(service !== undefined);
      await using program = await startProgram("refused", { arguments: [what], readyLine: "" });
      using _tree = endingWith(program.pid);
      if (!(await isAvailable(t, program))) return;
      const earlier = kernelView(program.pid);
      const said = await refusalOf(service.client.dump({ pid: program.pid, imagesDirectory: service.images() }));
      assert.match(said.replaceAll(String(program.pid), "PID"), sentence);
      assert.deepEqual(kernelView(program.pid), earlier);
      if (what !== "traced") for (const pid of treeOf(program.pid)) assertUntraced(pid, what);
      if (what === "traced") for (const tracer of listChildren(program.pid)) process.kill(tracer, "SIGKILL"); // it would get the signal
      program.signal("SIGUSR2");
      await until("it goes on", () => program.output().endsWith("restored\n"));
    });
  }
});

async function isAvailable(t: TestContext, program: Program): Promise<boolean> {
  await until("it has made its state", () => /^(ready|unavailable)$/m.test(program.output()));
  const made = program.output() === "ready\n";
  if (!made) t.skip("this machine does not have it");
  return made;
}

async function refusalOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => "it was not refused",
    (reason: unknown) => reason,
  );
  return error instanceof CriuRequestError ? error.crErrmsg : String(error);
}

function assertUntraced(pid: ReturnType<typeof treeOf>[number], what: string): void {
  for (const tid of listThreads(pid)) {
    const tracer = readStatus(tid)?.tracerPid ?? 0;
    assert.ok(tracer === 0 || what.startsWith("traced"), `thread ${tid} is traced by ${tracer}`);
  }
}
