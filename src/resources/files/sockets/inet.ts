// Internet sockets: ip(7), ipv6(7), tcp(7), udp(7), raw(7).
import { create } from "@bufbuild/protobuf";
import { type InetSkEntry, InetSkEntrySchema, SkShutdown } from "../../../images/format/entries.js";
import { AF_INET, AF_INET6 } from "../../../kernel/abi/in.js";
import { SOCK, type SocketKind } from "../../../kernel/abi/socket.js";
import { TCP_STATE } from "../../../kernel/abi/tcp.js";
import type { Fd } from "../../../kernel/brand.js";
import { addressesIn, isUnspecified, showAddress, unspecified } from "../../../kernel/inet-address.js";
import { interfaceName } from "../../../kernel/interface-name.js";
import type { ListAt } from "../../../kernel/list-code.js";
import { inetShutdowns } from "../../../kernel/netlink/inet-diag.js";
import { readableWithin } from "../../../kernel/packets.js";
import type { SeenSocket } from "../../../kernel/proc/descriptors.js";
import { readSocketKind } from "../../../kernel/socket-options.js";
import type { DumpContext, FileCommon, FileKind, OpenFile } from "../../kind.js";
import { applyFlags } from "../common.js";
import { refuseFile } from "../refuse.js";
import { destinationOf, isConnection, wordsOf } from "./inet-entry.js";
import { type InetAnswers, InetQuestions, keyOf } from "./inet-questions.js";
import { RestoredInetSockets } from "./inet-restored.js";
import { collectIpOptions, collectTcpOptions } from "./ip-options.js";
import { isPlain, isQueueEmpty } from "./memory-info.js";
import { Memberships } from "./multicast.js";
import { collectSocketOptions } from "./options.js";
import { checkProtocol, isKnown } from "./protocols.js";
import { QueuePeek } from "./queue-peek.js";
import { SocketQueues } from "./queues.js";
import { TcpConnections } from "./tcp-connections.js";
import { isRepairable } from "./tcp-fins.js";
import { collectTcpState } from "./tcp-state.js";
import { datagramsIn, isUdp } from "./udp-queue.js";

export const inetSocket: FileKind<"isk"> = {
  support: "full",
  type: "INETSK",
  field: "isk",
  summary: "internet sockets, ip(7)",
  signatures: [{ socket: [AF_INET, AF_INET6] }],
  limits: [
    "connections need --tcp-established, or --tcp-close; urgent data that was not read is refused, and what arrived out of order is sent again",
    "a connection that a process outside of the tree has open too is refused, where stasis sees that process",
    "datagrams that were not read yet come back over the loopback interface, by stasis alone: CRIU's images have no place for them; those of a socket that is bound to another interface, or behind a firewall that keeps them out, are lost, as are packets of raw and ICMP sockets; the log tells of them",
    "TCP MD5 and AO keys, anycast memberships and SO_ATTACH_REUSEPORT programs cannot be read back from the kernel",
    "multicast memberships are by the number of the interface",
    "an error that was not asked for yet (SO_ERROR) is lost; whom the kernel counts as owner (sk_uid, as packet filters see it) is whoever restores",
    "options that CRIU's format has no field for are carried over by stasis alone",
  ],

  collect(file, common, context) {
    return context.once(InetSockets).collect(file, common);
  },

  validate(entry, context) {
    context.once(RestoredInetSockets).note(entry);
  },

  open(entry, context) {
    return context.once(RestoredInetSockets).open(entry);
  },

  openMany(entries, context) {
    const sockets = context.once(RestoredInetSockets);
    const fds = entries.map((entry) => (sockets.isOwn(entry) ? sockets.open(entry) : undefined));
    applyFlags(fds, entries);
    return fds;
  },
};

/** The internet sockets of one dump. */
export class InetSockets {
  /** By kind. */
  readonly #questions = new Map<string, InetQuestions>();
  readonly #peek = new QueuePeek();
  readonly #memberships = new Memberships();
  readonly #shutdowns = new Map<string, Map<number, number>>();

  constructor(private readonly context: DumpContext) {}

  collect(file: OpenFile, common: FileCommon): InetSkEntry {
    const kind = file.socket ?? readSocketKind(file.duplicate);
    const { type } = kind;
    checkProtocol(file, kind);
    const questions = this.#questionsTo(kind);
    const answers = questions.ask(file.duplicate);
    const entry = this.#entryOf(file, common, kind, answers);
    entry.moreOpts = [
      ...questions.more.collect(answers.more, { isConnection: isConnection(entry) }),
      ...(type === SOCK.SOCK_STREAM || isPlain(answers.memory) ? [] : this.#memberships.collect(file, kind)),
    ];
    if (type !== SOCK.SOCK_STREAM) this.#collectQueue(file, entry, kind, answers);
    if (isConnection(entry)) this.#noteConnection(file, entry);
    return entry;
  }

  /** Lists of calls that ask some sockets what `collect` will want to know: Asking.foresee. */
  foresee(sockets: readonly SeenSocket[]): ListAt[] {
    const byKind = new Map<InetQuestions, Fd[]>();
    for (const { kind, duplicate } of sockets) {
      if (!isKnown(kind)) continue;
      const questions = this.#questionsTo(kind);
      const those = byKind.get(questions) ?? [];
      byKind.set(questions, those);
      those.push(duplicate);
    }
    return [...byKind].flatMap(([questions, those]) => questions.foresee(those));
  }

  forget(): void {
    for (const questions of this.#questions.values()) questions.forget();
  }

  #questionsTo(kind: SocketKind): InetQuestions {
    const key = keyOf(kind);
    const questions = this.#questions.get(key) ?? new InetQuestions(kind);
    this.#questions.set(key, questions);
    return questions;
  }

  #noteConnection({ duplicate: socket, subject }: OpenFile, entry: InetSkEntry): void {
    const { tcpClose, tcpEstablished } = this.context.options;
    if (tcpClose) return;
    if (!isRepairable(entry.state))
      throw refuseFile(subject, "its connection is being made (TCP_SYN_RECV)", "dump a moment later");
    if (!tcpEstablished)
      throw refuseFile(
        subject,
        `it is a TCP connection to ${showAddress(destinationOf(entry))}`,
        "pass --tcp-established, or --tcp-close to have it come back closed",
      );
    this.context.once(TcpConnections).note({ socket, entry, subject });
  }

  #entryOf(file: OpenFile, common: FileCommon, kind: SocketKind, answers: InetAnswers): InetSkEntry {
    const socket = file.duplicate;
    const { family, type, protocol } = kind;
    const { local: source = unspecified(family), peer: destination = unspecified(family) } = addressesIn(answers.ends);
    const isTcp = type === SOCK.SOCK_STREAM;
    const tcp = isTcp ? collectTcpState(file, answers.tcpState, this.context.options) : undefined;
    const isConnected = !isUnspecified(destination);
    const entry = create(InetSkEntrySchema, {
      id: common.id,
      flags: common.flags,
      fown: common.fown,
      family,
      type,
      proto: protocol,
      ino: Number(file.stat.ino),
      state: tcp?.state ?? (isConnected ? TCP_STATE.ESTABLISHED : TCP_STATE.CLOSE),
      srcPort: source.port,
      dstPort: destination.port,
      backlog: tcp?.backlog ?? 0,
      srcAddr: wordsOf(source),
      dstAddr: wordsOf(destination),
      opts: collectSocketOptions(file, answers.general),
      ipOpts: collectIpOptions(socket, kind, answers.ip),
    });
    if (family === AF_INET6) entry.v6only = answers.v6only.required(0) !== 0;
    if (source.scope !== 0) entry.ifname = interfaceName(socket, source.scope) ?? "";
    if (isTcp) entry.tcpOpts = collectTcpOptions(answers.tcp);
    const shutdown = tcp?.shutdown ?? this.#shutdownOf(file, kind, isConnected);
    if (shutdown !== SkShutdown.NONE) entry.shutdown = shutdown;
    return entry;
  }

  /** Of a datagram socket; one without a connection cannot be shut down. */
  #shutdownOf(file: OpenFile, { family, type, protocol }: SocketKind, isConnected: boolean): SkShutdown {
    if (!isConnected || type !== SOCK.SOCK_DGRAM) return SkShutdown.NONE;
    const key = `${family} ${protocol}`;
    const known = this.#shutdowns.get(key) ?? inetShutdowns(family, protocol);
    this.#shutdowns.set(key, known);
    return known.get(Number(file.stat.ino)) ?? SkShutdown.NONE;
  }

  #collectQueue(file: OpenFile, { id }: InetSkEntry, kind: SocketKind, answers: InetAnswers): void {
    const { context } = this;
    const { duplicate, subject, link } = file;
    if (isUdp(kind)) {
      if (answers.cork.required(0) !== 0)
        throw refuseFile(subject, "it is corked (UDP_CORK)", "have the program send what it has written");
      if (context.isRunning || isQueueEmpty(answers.memory)) return;
      for (const datagram of datagramsIn(duplicate, id, kind, this.#peek)) context.once(SocketQueues).add(datagram);
    } else if (readableWithin(duplicate, 0))
      context.log.warn(`${link}: what waits in its queue and was not read is lost, as datagrams may be`);
  }
}
