// When watches are set on a restore: when nothing that the restore itself does to files can be seen by them any more.
import { F_DUPFD_CLOEXEC } from "../../../kernel/abi/fcntl.js";
import type { Fd } from "../../../kernel/brand.js";
import { sys } from "../../../kernel/syscalls.js";
import type { RestoreContext } from "../../kind.js";

export class RestoredWatches {
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly context: RestoreContext) {}

  /** `target` is ours from here on; `set` is called with a path to it and a descriptor of the instance. */
  later(instance: Fd, target: Fd, set: (path: string, instance: Fd) => void): void {
    const held = sys.fcntlDupFd(instance, F_DUPFD_CLOEXEC, 0);
    this.context.scope.defer(() => sys.close(target));
    this.context.scope.defer(() => sys.close(held));
    this.#waiting.push(() => set(`/proc/self/fd/${target}`, held));
  }

  setAll(): void {
    for (const set of this.#waiting.splice(0)) set();
  }
}
