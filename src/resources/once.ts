// One object a dump or restore, made when somebody first asks for it: what a kind keeps beyond a single file (pipes by id, ghosts).

/** A function that makes each class at most once, with the context that it is for. */
export function onceFor<Context>(context: () => Context): <T extends object>(make: new (context: Context) => T) => T {
  const made = new Map<unknown, object>();
  return <T extends object>(make: new (context: Context) => T): T => {
    const known = made.get(make);
    if (known instanceof make) return known;
    const fresh = new make(context());
    made.set(make, fresh);
    return fresh;
  };
}
