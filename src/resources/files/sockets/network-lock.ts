// The network held closed to TCP connections: nothing of them may arrive or leave between the moment they are read and the moment
// they are there again, on a dump and from a dump to the restore.
//
// While a dump runs, a table of nf_tables does it that belongs to a socket of ours: when we are killed the kernel takes it away, and the
// program talks on. What stays behind a dump that killed its tree is a table without owner, of the name that CRIU gives it, or rules of iptables where
// these were asked for. It is made when the tree is gone, before ours goes.
import { NetworkLock } from "../../../images/format/numbers.js";
import { SyscallError, unless } from "../../../kernel/errno.js";
import { blockConnections, type Connection, openNetfilter, removeTable } from "../../../kernel/netlink/nftables.js";
import type { OwnFd } from "../../../kernel/own-fd.js";
import type { DumpOptions } from "../../../options/views.js";
import { StasisError } from "../../../report/error.js";
import { addRules, checkTools, removeRules } from "./iptables.js";

/** What CRIU calls the table; of images older than 3.19 the name is another one. */
const tableOf = (runId: string) => `CRIU-${runId}`;

type Method = DumpOptions["networkLock"];
/** As inventory.img has it. */
export const lockNumbers = {
  iptables: NetworkLock.IPTABLES,
  nftables: NetworkLock.NFTABLES,
  skip: NetworkLock.SKIP,
} as const satisfies Record<Method, NetworkLock>;

/** On a dump. Disposing opens the network again, unless it was left closed. */
export class HeldNetwork implements Disposable {
  #netlink: OwnFd | undefined;

  private constructor(
    private readonly method: Method,
    private readonly runId: string,
    private readonly connections: readonly Connection[],
  ) {}

  /** Throws StasisError HOST_UNSUPPORTED where the kernel or the tool is missing. */
  static hold(method: Method, runId: string, connections: readonly Connection[]): HeldNetwork {
    const held = new HeldNetwork(method, runId, connections);
    if (method === "skip") return held;
    if (method === "iptables") checkTools(connections);
    held.#netlink = reporting("close", () => {
      const netlink = openNetfilter();
      blockConnections(netlink, `stasis-${runId}`, connections, { owned: true });
      return netlink;
    });
    return held;
  }

  /** The tree is gone: the network stays closed to its connections when we are gone too. */
  leaveClosed(): void {
    const { method, runId, connections } = this;
    if (method === "iptables") addRules(connections);
    if (method !== "nftables") return;
    reporting("leave closed", () => {
      using netlink = openNetfilter();
      blockConnections(netlink, tableOf(runId), connections, { owned: false });
    });
  }

  [Symbol.dispose](): void {
    this.#netlink?.[Symbol.dispose]();
    this.#netlink = undefined;
  }
}

/** On a restore: takes away what the dump left. It may be gone already, or belong to another machine. */
export function openNetwork(method: number, runId: string, connections: readonly Connection[]): void {
  if (method === NetworkLock.IPTABLES) removeRules(connections);
  if (method !== NetworkLock.NFTABLES || runId === "") return;
  reporting("open", () => {
    using netlink = openNetfilter();
    unless("ENOENT", () => removeTable(netlink, tableOf(runId)));
  });
}

function reporting<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new StasisError({
      code: "HOST_UNSUPPORTED",
      doing: `${what} the network to the TCP connections of the tree`,
      subject: { kind: "host", what: "netfilter" },
      reason: `the kernel refused a table of nf_tables (${error.errno})`,
      remedy:
        "use a kernel with CONFIG_NF_TABLES_INET, or --network-lock skip where nothing of the other side can arrive meanwhile",
    });
  }
}
