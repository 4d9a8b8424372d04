// The one table of syscalls, collected from abi/, and `sys`: the calls made by ourselves.
import { aioCalls } from "./abi/aio.js";
import { bpfCalls } from "./abi/bpf.js";
import { epollCalls } from "./abi/epoll.js";
import { fanotifyCalls } from "./abi/fanotify.js";
import { fcntlCalls } from "./abi/fcntl.js";
import { fileHandleCalls } from "./abi/file-handle.js";
import { inotifyCalls } from "./abi/inotify.js";
import { ioUringCalls } from "./abi/io-uring.js";
import { mmanCalls } from "./abi/mman.js";
import { mountCalls } from "./abi/mount.js";
import { prctlCalls } from "./abi/prctl.js";
import { processCalls } from "./abi/process.js";
import { ptraceCalls } from "./abi/ptrace.js";
import { schedCalls } from "./abi/sched.js";
import { seccompCalls } from "./abi/seccomp.js";
import { shmCalls } from "./abi/shm.js";
import { signalCalls } from "./abi/signal.js";
import { socketCalls } from "./abi/socket.js";
import { statCalls } from "./abi/stat.js";
import { timeCalls } from "./abi/time.js";
import { uioCalls } from "./abi/uio.js";
import { vdsoCalls } from "./abi/vdso.js";
import { call, type Word } from "./call.js";
import { type HereCalls, isFailure, type Kept, type Syscall, showArguments } from "./declare/syscall.js";
import { SyscallError } from "./errno.js";

/** Every syscall that we make here or inside a target. */
export const syscalls = {
  ...aioCalls,
  ...bpfCalls,
  ...epollCalls,
  ...fanotifyCalls,
  ...fcntlCalls,
  ...fileHandleCalls,
  ...inotifyCalls,
  ...ioUringCalls,
  ...mmanCalls,
  ...mountCalls,
  ...prctlCalls,
  ...processCalls,
  ...ptraceCalls,
  ...schedCalls,
  ...seccompCalls,
  ...shmCalls,
  ...signalCalls,
  ...socketCalls,
  ...statCalls,
  ...timeCalls,
  ...uioCalls,
  ...vdsoCalls,
} as const;
export type Syscalls = typeof syscalls;

function hereCall(row: Syscall): (...values: unknown[]) => unknown {
  const options = { interruptible: row.interruptible };
  const { args } = row;
  return (...values) => {
    const kept: Kept = [];
    const words: Word[] = row.command.slice();
    for (let index = 0; index < args.length; index++) words.push(args[index]?.[1].here(values[index], kept) ?? 0);
    const raw = call(row.number, words, options);
    kept.length = 0; // a use after the call: until here no buffer may be collected
    if (isFailure(raw)) throw new SyscallError(row.name, -Number(raw), showArguments(row, values));
    return row.returns.here(raw);
  };
}

/** The syscalls made by this process. Each throws SyscallError when the kernel says no. */
export const sys = Object.fromEntries(
  Object.entries(syscalls).map(([name, row]) => [name, hereCall(row)]),
) as unknown as HereCalls<Syscalls>;
