// The processes of a restore while their tree grows: memory is filled before a child is forked that has some of it in common.

import type { ImageDirectory } from "../images/directory.js";
import { OpenPages } from "../images/pages/open.js";
import type { Scope } from "../kernel/scope.js";
import { Comparison, inheritedVmas } from "../resources/memory/inherit.js";
import type { Grown } from "../resources/tree/grow.js";
import type { Inside } from "../tracee/inside.js";
import { inWaves } from "../tracee/together.js";
import type { PlannedProcess, PlannedTask } from "./plan.js";
import type { Rebuilt, Source } from "./rebuild.js";

export class Living {
  readonly #rebuilt = new Map<PlannedTask, Rebuilt>();
  /** Of each process that was forked from filled memory, whose that was. */
  readonly #source = new Map<PlannedTask, Source>();

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
    const vmas = inheritedVmas(child.mm, parent.mm);
    if (vmas.length === 0) return;
    using opened = new OpenPages(this.images);
    this.#map(parent, forked, { opened, comparison: new Comparison() });
    forked.inside.flush();
    forked.writePages();
    this.#source.set(child, { process: forked, vmas });
  }

  fillAll(): void {
    const map = (wave: readonly (readonly [PlannedTask, Rebuilt])[], scope: Scope) => {
      const around = { opened: scope.use(new OpenPages(this.images)), comparison: new Comparison() };
      for (const [task, rebuilt] of wave) this.#map(task, rebuilt, around);
      return wave.map(([, { inside }]) => inside);
    };
    inWaves([...this.#rebuilt], map, (wave) => {
      for (const [, rebuilt] of wave) rebuilt.writePages();
    });
  }

  #map(task: PlannedTask, rebuilt: Rebuilt, around: { opened: OpenPages; comparison: Comparison }): void {
    const source = this.#source.get(task);
    rebuilt.mapMemory(around.opened, source && { ...source, comparison: around.comparison });
  }
}
