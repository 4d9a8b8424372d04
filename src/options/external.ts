// --external: objects that are left out of the images. KIND[WHICH], with :NAME behind it for some kinds.
import { list } from "./kinds.js";
import { BadText, type Objection, type Option, sent } from "./option.js";

/** Those that a dump can leave out. */
const kinds = ["file", "tty", "unix"] as const;

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
      summary:
        "file[MOUNT:INODE], tty[RDEV:DEV]: leave this to --inherit-fd; unix[INODE]: dump this socket without its peer; may be repeated",
    },
    { item: String, fromRpc: (opts) => sent(opts, "external") },
  ),
  objection,
};

/** Inode numbers of unix sockets. Throws BadText. */
function inodesIn(text: string): number[] {
  const numbers = text.split(",").filter((word) => word !== "");
  if (numbers.every((word) => /^[1-9]\d*$/.test(word))) return numbers.map(Number);
  throw new BadText(`${JSON.stringify(text)} is no list of inode numbers`);
}

/** --ext-unix-sk: of any datagram socket, and of those that are named by their inodes. Not given: undefined. */
export const externalUnixSockets: Option<readonly number[] | undefined, "extUnixSk", "dump" | "restore"> = {
  cli: "ext-unix-sk",
  short: "x",
  argument: "optional",
  rpc: "extUnixSk",
  applies: ["dump", "restore"],
  default: undefined,
  summary: "[INODE,...]: unix sockets may have a peer outside of the tree: datagram sockets, and those that are named",
  fromRpc: (opts) => (sent(opts, "extUnixSk") === true ? [] : undefined),
  fromText: inodesIn,
  merge: (earlier = [], later = []) => [...earlier, ...later],
  objection: () => undefined,
};

/** The inodes in a request. */
export const externalUnixInodes = list(
  { rpc: "unixSkIno", applies: ["dump"], summary: "unix sockets that may have a peer outside of the tree" },
  {
    item: Number,
    fromRpc(opts) {
      const sockets = opts.unixSkIno.map(({ inode }) => inode);
      return sockets.length === 0 ? undefined : sockets;
    },
  },
);

/** unix[INODE] of --external. */
export const unixInodesIn = (keys: readonly string[]): number[] =>
  keys.flatMap((key) => {
    const [, inode] = /^unix\[(\d+)\]$/.exec(key) ?? [];
    return inode === undefined ? [] : [Number(inode)];
  });
