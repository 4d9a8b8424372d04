// The terminals of a dump: each one once, whoever has it open and however often. tty-info.img, tty-data.img.
import { create } from "@bufbuild/protobuf";
import {
  TtyDataEntrySchema,
  type TtyInfoEntry,
  TtyInfoEntrySchema,
  TtyPtyEntrySchema,
  TtyType,
} from "../../../images/format/entries.js";
import { O } from "../../../kernel/abi/fcntl.js";
import { N_TTY, TIOC } from "../../../kernel/abi/tty.js";
import type { Fd } from "../../../kernel/brand.js";
import { own } from "../../../kernel/own-fd.js";
import { sys } from "../../../kernel/syscalls.js";
import type { DumpContext, OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import {
  externalKey,
  fixedId,
  MAX_PTY_INDEX,
  masterId,
  minorOf,
  slaveDevice,
  slaveId,
  type TerminalKind,
  terminalKind,
  typeOf,
} from "./devices.js";
import { isClosedAtOtherEnd, openSlave } from "./ends.js";
import { peekInput, peekOutput } from "./queues.js";
import { checkSessions, type Holding, NOBODY, type SessionMember } from "./sessions.js";
import { ask, isHungUp, readSettings } from "./settings.js";

const CLOSE_IT = "have the program close it before the dump";

/** A terminal that somebody in the tree has open. */
export interface Known {
  readonly id: number;
  readonly kind: TerminalKind;
  /** Of a pty. */
  readonly index: number | undefined;
  readonly hungUp: boolean;
  /** As TIOCGDEV gives it, so as field tty_nr of proc_pid_stat(5) does; 0 when it is hung up. */
  readonly device: number;
  /** A descriptor of ours for it. */
  readonly fd: Fd;
  /** The first file that it was met as. */
  readonly file: OpenFile;
}

export class Terminals {
  readonly #known = new Map<number, Known>();

  constructor(private readonly context: DumpContext) {}

  /** Result: the terminal's id in tty-info.img. */
  note(file: OpenFile): number {
    const kind = this.isExternal(file) ? "external" : terminalKind(file.stat.rdev);
    if (kind === undefined) throw refuseFile(file.subject, "it is a terminal of a type that is not known", CLOSE_IT);
    if (((file.fdinfo?.flags ?? 0) & O.O_PATH) !== 0)
      throw refuseFile(file.subject, "it is a terminal held with O_PATH, which is not supported", CLOSE_IT);
    const hungUp = isHungUp(file.duplicate);
    const id = this.#idOf(file, kind, hungUp);
    const known = this.#known.get(id);
    if (known === undefined) this.#add({ id, kind, hungUp, file });
    else if (known.hungUp !== hungUp)
      throw refuseFile(file.subject, "some of its descriptors were hung up, vhangup(2), and others not", CLOSE_IT);
    return id;
  }

  /** --inherit-fd brings it on the restore. */
  isExternal({ stat: { rdev, dev } }: OpenFile): boolean {
    return this.context.options.external.includes(externalKey(rdev, dev));
  }

  #add({ id, kind, hungUp, file }: Pick<Known, "id" | "kind" | "hungUp" | "file">): void {
    if (hungUp && kind !== "slave")
      throw refuseFile(file.subject, "it was hung up, which can be done again for a pty only", CLOSE_IT);
    const fd = this.context.scope.use(own(sys.dup(file.duplicate))).fd;
    const index = typeOf[kind] === typeOf.slave ? id >> 1 : undefined;
    const device = hungUp ? 0 : (ask(fd, TIOC.TIOCGDEV) ?? 0);
    if (!hungUp && ask(fd, TIOC.TIOCGETD) !== N_TTY)
      throw refuseFile(file.subject, "its line discipline is not that of a terminal, N_TTY", CLOSE_IT);
    this.#known.set(id, { id, kind, index, hungUp, device, fd, file });
  }

  #idOf(file: OpenFile, kind: TerminalKind, hungUp: boolean): number {
    if (kind !== "master" && kind !== "slave") return this.#otherIdOf(file, kind, hungUp);
    const index = kind === "slave" ? minorOf(file.stat.rdev) : (ask(file.duplicate, TIOC.TIOCGPTN) ?? -1);
    if (index < 0 || index > MAX_PTY_INDEX)
      throw refuseFile(file.subject, `the images have no room for a pty above ${MAX_PTY_INDEX}`, CLOSE_IT);
    return kind === "slave" ? slaveId(index) : masterId(index);
  }

  #otherIdOf(file: OpenFile, kind: Exclude<TerminalKind, "master" | "slave">, hungUp: boolean): number {
    const device = hungUp ? 0 : (ask(file.duplicate, TIOC.TIOCGDEV) ?? 0);
    const same = [...this.#known.values()].find((known) => known.kind === kind && known.device === device);
    const id = same?.id ?? fixedId(kind, new Set(this.#known.keys()));
    if (id === undefined) throw refuseFile(file.subject, "the images have no room for so many terminals", CLOSE_IT);
    return id;
  }

  /** When all files are known. Throws StasisError when a terminal cannot come back. */
  write(tasks: readonly SessionMember[]): void {
    const terminals = [...this.#known.values()];
    const holdings = checkSessions(terminals, tasks, this.context);
    const infos = terminals.map((known) => infoOf(known, holdings.get(known.id)));
    const masters = this.context.isRunning ? [] : terminals.filter(({ kind }) => kind === "master");
    const data = masters.flatMap((master) => this.#contents(master, infos));
    this.context.images.writeLater("tty-info", undefined, infos);
    this.context.images.writeLater(
      "tty-data",
      undefined,
      data
        .filter(({ bytes }) => bytes.byteLength > 0)
        .map(({ id, bytes }) => create(TtyDataEntrySchema, { ttyId: id, data: bytes })),
    );
  }

  /** What waits in both directions. A slave that nobody has open any more is noted in `infos` as one that is hung up. */
  #contents({ id, fd, index = 0 }: Known, infos: TtyInfoEntry[]): { id: number; bytes: Uint8Array }[] {
    const slave = this.#known.get(slaveId(index));
    const wasOpen = slave === undefined && isClosedAtOtherEnd(fd);
    if (slave === undefined && !wasOpen) return [{ id, bytes: peekOutput(fd, undefined) }];
    using ours = openSlave(fd, O.O_RDWR | O.O_NONBLOCK);
    const input = peekInput({ master: fd, slave: ours.fd });
    const output = peekOutput(fd, ours.fd);
    if (wasOpen) infos.push(closedSlave(index));
    return [
      { id: slaveId(index), bytes: input },
      { id, bytes: output },
    ];
  }
}

function infoOf({ id, kind, index, hungUp, fd, file }: Known, { sid, pgrp }: Holding = NOBODY): TtyInfoEntry {
  const { rdev, dev, uid, gid } = file.stat;
  return create(TtyInfoEntrySchema, {
    ...{ id, type: typeOf[kind], sid, pgrp },
    ...{ rdev: Number(rdev), dev: Number(dev), uid: Number(uid), gid: Number(gid) },
    locked: kind === "master" && ask(fd, TIOC.TIOCGPTLCK) === 1,
    exclusive: !hungUp && ask(fd, TIOC.TIOCGEXCL) === 1,
    packetMode: kind === "master" && ask(fd, TIOC.TIOCGPKT) === 1,
    ...(index === undefined ? {} : { pty: create(TtyPtyEntrySchema, { index }) }),
    ...(hungUp ? {} : readSettings(fd)),
  });
}

function closedSlave(index: number): TtyInfoEntry {
  return create(TtyInfoEntrySchema, {
    ...{ id: slaveId(index), type: TtyType.PTY, ...NOBODY, rdev: slaveDevice(index) },
    ...{ locked: false, exclusive: false, packetMode: false },
    pty: create(TtyPtyEntrySchema, { index }),
  });
}
