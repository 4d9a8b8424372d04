// The master of a terminal, and who sits at it.
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import type { OnNotify } from "../../src/index.js";
import { F_SETFL } from "../../src/kernel/abi/fcntl.js";
import { TIOC } from "../../src/kernel/abi/tty.js";
import { asFd, type Fd } from "../../src/kernel/brand.js";
import { sys } from "../../src/kernel/syscalls.js";
import { until } from "./round-trip.js";

const O_RDWR_NONBLOCK = constants.O_RDWR | constants.O_NONBLOCK;

export class Terminal implements Disposable {
  #fd: Fd | undefined;
  #screen = "";

  /** The number of its slave. */
  readonly number: number;

  constructor() {
    const fd = asFd(openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY));
    this.#take(fd);
    sys.ioctl(fd, TIOC.TIOCSPTLCK, new Uint8Array(4));
    const number = new Uint32Array(1);
    sys.ioctl(fd, TIOC.TIOCGPTN, new Uint8Array(number.buffer));
    this.number = number[0] ?? -1;
  }

  /** Closes the master between dump and restore, and takes the one that it is given then. */
  readonly onNotify: OnNotify = ({ script, fd }) => {
    if (script === "pre-restore") this[Symbol.dispose]();
    if (script === "orphan-pts-master" && fd !== undefined) this.#take(sys.dup(asFd(fd)));
    return true;
  };

  #take(fd: Fd): void {
    sys.fcntlSet(fd, F_SETFL, O_RDWR_NONBLOCK);
    this.#fd = fd;
  }

  get #master(): Fd {
    if (this.#fd === undefined) throw new Error("nobody is at this terminal");
    return this.#fd;
  }

  type(keys: string): void {
    writeSync(this.#master, keys);
  }

  /** Waits until the pattern has come to the screen since it was last waited for; result: what was there by then. */
  async shows(pattern: RegExp): Promise<string> {
    const appears = () => {
      this.#screen += this.#read();
      return pattern.test(this.#screen);
    };
    await until(`${pattern} is on the screen`, appears).catch((error) => {
      throw new Error(`the screen shows ${JSON.stringify(this.#screen)}`, { cause: error });
    });
    const screen = this.#screen;
    this.#screen = "";
    return screen;
  }

  #read(): string {
    const piece = Buffer.alloc(4096);
    try {
      return piece.toString("utf8", 0, readSync(this.#master, piece));
    } catch (error) {
      // Nothing there, or nobody has the slave.
      if (error instanceof Error && "code" in error && (error.code === "EAGAIN" || error.code === "EIO")) return "";
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
