// Things to give back together, in reverse order: what DisposableStack is in newer JavaScript than Node 20's.

/** `using scope = new Scope()`; what was added last is given back first, and all of it even when one fails. */
export class Scope implements Disposable {
  readonly #undo: (() => void)[] = [];

  use<T extends Disposable>(thing: T): T {
    this.#undo.push(() => thing[Symbol.dispose]());
    return thing;
  }

  defer(undo: () => void): void {
    this.#undo.push(undo);
  }

  [Symbol.dispose](): void {
    const failures: unknown[] = [];
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        undo();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
