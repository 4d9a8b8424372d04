// What an internet socket has that was just made: only what is otherwise has to be set on a restore.
import type { IpOptsEntry, SkOptsEntry, TcpOptsEntry } from "../../../images/format/entries.js";
import { AF_INET6, IPV6, SOL_IPV6 } from "../../../kernel/abi/in.js";
import { SOCK, type SocketKind } from "../../../kernel/abi/socket.js";
import { askOptions } from "../../../kernel/asked-options.js";
import { own } from "../../../kernel/own-fd.js";
import { readInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { collectIpOptions, collectTcpOptions, ipOptions, tcpOptions } from "./ip-options.js";
import { usualOptions } from "./options.js";

export interface UsualInet {
  readonly opts: SkOptsEntry;
  readonly ip: IpOptsEntry;
  readonly tcp?: TcpOptsEntry;
  readonly v6only?: number;
}

/** Throws SyscallError when there can be no such socket. */
export function usualInet(kind: SocketKind): UsualInet {
  const { family, type, protocol } = kind;
  using fresh = own(sys.socket(family, type | SOCK.SOCK_CLOEXEC, protocol));
  const socket = fresh.fd;
  return {
    opts: usualOptions(socket),
    ip: collectIpOptions(socket, kind, askOptions(socket, ipOptions(kind))),
    ...(type === SOCK.SOCK_STREAM ? { tcp: collectTcpOptions(askOptions(socket, tcpOptions)) } : {}),
    ...(family === AF_INET6 ? { v6only: readInteger(socket, SOL_IPV6, IPV6.V6ONLY) } : {}),
  };
}
