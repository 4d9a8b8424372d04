// The processes of a restore while their tree grows: memory is filled before a child is forked that has some of it in common.

import type { ImageDirectory } from "../images/directory.js";
import { OpenPages } from "../images/pages/open.js";
import { inheritedVmas } from "../resources/memory/inherit.js";
import type { Grown } from "../resources/tree/grow.js";
import type { Inside } from "../tracee/inside.js";
import { inWaves } from "../tracee/together.js";
import type { PlannedProcess, PlannedTask } from "./plan.js";
import type { Rebuilt } from "./rebuild.js";

export class Living {
  readonly #rebuilt = new Map<PlannedTask, Rebuilt>();
  /** Of each process that was forked from filled memory, whose that was. */
  readonly #source = new Map<PlannedTask, Rebuilt>();

  constructor(
    private readonly images: ImageDirectory,
    private readonly rebuild: (task: PlannedProcess, inside: Inside) => Rebuilt,
  ) {}

  get all(): Rebuilt[] {
    return [...this.#rebuilt.values()];
  }

  add({ task, inside }: Grown<PlannedTask>): void {
    if (task.state !== "zombie") this.#rebuilt.set(task, this.rebuild(task, inside));
  }

  /** Before `child` is forked: fills the parent's memory when the child has mappings in common with it. */
  prepare(child: PlannedTask, parent: PlannedTask): void {
    const forked = this.#rebuilt.get(parent);
    if (forked === undefined || child.state === "zombie" || parent.state === "zombie") return;
    if (inheritedVmas(child.mm, parent.mm).length === 0) return;
    using opened = new OpenPages(this.images);
    this.#fill(parent, forked, opened);
    forked.inside.flush();
    this.#source.set(child, forked);
  }

  fillAll(): void {
    inWaves([...this.#rebuilt], (wave, scope) => {
      const opened = scope.use(new OpenPages(this.images));
      for (const [task, rebuilt] of wave) this.#fill(task, rebuilt, opened);
      return wave.map(([, { inside }]) => inside);
    });
  }

  #fill(task: PlannedTask, rebuilt: Rebuilt, opened: OpenPages): void {
    rebuilt.fillMemory(opened, this.#source.get(task));
  }
}
