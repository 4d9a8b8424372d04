// What the kernel keeps for a socket, SO_MEMINFO: words of include/uapi/linux/sock_diag.h, SK_MEMINFO_*. It spares questions about what cannot be there.
import { SO_MEMINFO, SOL_SOCKET, type SocketOption } from "../../../kernel/abi/socket.js";
import type { AskedOptions } from "../../../kernel/asked-options.js";

const WORDS = { RMEM_ALLOC: 0, OPTMEM: 6, count: 9 };

/** What is asked of a socket. */
export const memoryInfo: readonly SocketOption[] = [
  { level: SOL_SOCKET, name: SO_MEMINFO, sizeBytes: WORDS.count * 4 },
];

/** `asked`: the answers to that. What waits takes more than nothing, also an empty datagram. */
export const isQueueEmpty = (asked: AskedOptions): boolean => asked.integer(0, WORDS.RMEM_ALLOC) === 0;

/** Without filters, and without memberships of multicast groups: sock_kmalloc() of net/core/sock.c. */
export const isPlain = (asked: AskedOptions): boolean => asked.integer(0, WORDS.OPTMEM) === 0;
