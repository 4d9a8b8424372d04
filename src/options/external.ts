// --external: objects that are left out of the images. KIND[WHICH], with :NAME behind it for some kinds.
import { list } from "./kinds.js";
import { type Objection, sent } from "./option.js";

/** Those that a dump can leave out. */
const kinds = ["file"] as const;

function objection(keys: readonly string[]): Objection | undefined {
  for (const key of keys) {
    const [, kind] = /^([a-z]+)\[.*\]/.exec(key) ?? [];
    if (kind === undefined)
      return { kind: "invalid", reason: `${JSON.stringify(key)} does not have the form KIND[WHICH]` };
    if (kinds.some((known) => known === kind)) continue;
    return {
      kind: "unsupported",
      reason: `${kind} from outside of the tree is not supported yet`,
      remedy: `leave it out; ${kinds.join(", ")} can be left out of a dump`,
    };
  }
  return undefined;
}

export const externalKeys = {
  ...list(
    {
      cli: "external",
      rpc: "external",
      applies: ["dump", "restore"],
      summary: "file[MOUNT:INODE]: leave this file to --inherit-fd; may be repeated",
    },
    { item: String, fromRpc: (opts) => sent(opts, "external") },
  ),
  objection,
};
