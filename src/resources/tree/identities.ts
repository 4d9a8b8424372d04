// Which kernel objects tasks share: kcmp(2) orders address spaces, descriptor tables and the like, so equal ones are found by
// binary search. Equal ids in ids-PID.img mean a shared object.
import { create } from "@bufbuild/protobuf";
import { type TaskKobjIdsEntry, TaskKobjIdsEntrySchema } from "../../images/format/entries.js";
import { KCMP } from "../../kernel/abi/process.js";
import type { Pid } from "../../kernel/brand.js";
import { type Namespaces, readNamespaces } from "../../kernel/proc/namespaces.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { FrozenProcess } from "../../tracee/freeze.js";

const EQUAL = 0;
const LESS = 1;

/** Ids of one kind of object, in the order in which they were first seen. */
class Shared {
  readonly #sorted: { readonly pid: Pid; readonly id: number }[] = [];

  constructor(readonly type: number) {}

  idOf(pid: Pid): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const known = this.#sorted[middle];
      if (known === undefined) break;
      const order = sys.kcmp(pid, known.pid, this.type, 0n, 0n);
      if (order === EQUAL) return known.id;
      if (order === LESS) high = middle;
      else low = middle + 1;
    }
    const id = this.#sorted.length + 1;
    this.#sorted.splice(low, 0, { pid, id });
    return id;
  }
}

/** The ids that CRIU's inventory gives the namespaces of the engine itself. */
export const namespaceIds = { pid: 1, net: 2, ipc: 3, uts: 4, mnt: 5, user: 6, cgroup: 7, time: 8 } as const;
type NamespaceName = keyof typeof namespaceIds | "pid_for_children" | "time_for_children";
const compared: readonly NamespaceName[] = [
  "pid",
  "net",
  "ipc",
  "uts",
  "mnt",
  "user",
  "cgroup",
  "time",
  "pid_for_children",
  "time_for_children",
];

type Task = Pick<FrozenProcess, "pid" | "comm" | "living">;

export class Identities {
  readonly #vm = new Shared(KCMP.KCMP_VM);
  readonly #files = new Shared(KCMP.KCMP_FILES);
  /** Processes by the id of their address space. */
  readonly #ownerOf = new Map<number, Pid>();
  readonly #fs = new Shared(KCMP.KCMP_FS);
  readonly #sighand = new Shared(KCMP.KCMP_SIGHAND);
  readonly #namespaces: Namespaces | undefined;
  /** The engine's own: root_ids of the inventory, by which a restore knows the namespaces of the host. */
  readonly own: TaskKobjIdsEntry;

  constructor(engine: Pid) {
    this.#namespaces = readNamespaces(engine);
    this.own = this.#entry(engine);
  }

  /** Throws StasisError when the task lives in a namespace of its own, or in the address space of another. */
  of(task: Task): TaskKobjIdsEntry {
    const namespaces = readNamespaces(task.living);
    for (const name of compared) {
      if (namespaces?.[name] !== this.#namespaces?.[name]) throw ownNamespace(task, name);
    }
    const entry = this.#entry(task.living);
    const owner = this.#ownerOf.get(entry.vmId) ?? task.pid;
    if (owner !== task.pid) throw sharedMemory(task, owner);
    this.#ownerOf.set(entry.vmId, task.pid);
    return entry;
  }

  #entry(pid: Pid): TaskKobjIdsEntry {
    return create(TaskKobjIdsEntrySchema, {
      vmId: this.#vm.idOf(pid),
      filesId: this.#files.idOf(pid),
      fsId: this.#fs.idOf(pid),
      sighandId: this.#sighand.idOf(pid),
      pidNsId: namespaceIds.pid,
      netNsId: namespaceIds.net,
      ipcNsId: namespaceIds.ipc,
      utsNsId: namespaceIds.uts,
      mntNsId: namespaceIds.mnt,
      userNsId: namespaceIds.user,
      cgroupNsId: namespaceIds.cgroup,
      timeNsId: namespaceIds.time,
    });
  }
}

function ownNamespace({ pid, comm }: Task, name: NamespaceName): StasisError {
  return new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid, comm },
    reason: `it is in a ${name} namespace other than that of stasis, which is not supported yet`,
    remedy: `run stasis inside that ${name} namespace`,
  });
}

function sharedMemory({ pid, comm }: Task, owner: Pid): StasisError {
  return new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid, comm },
    reason: `it shares its address space with process ${owner} (CLONE_VM, vfork), which is not supported`,
    remedy: "wait until it has called execve or has ended",
  });
}
