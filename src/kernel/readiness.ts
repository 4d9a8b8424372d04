// Waiting for sockets without blocking the event loop. Node cannot watch a SEQPACKET socket, so poll(2) does, on one thread of libuv's pool
// however many sockets are waited for. An eventfd among the watched wakes it when the list changes.
import { POLL, pollfd } from "./abi/socket.js";
import type { Fd } from "./brand.js";
import { addressOf, callAsync } from "./call.js";
import { own } from "./own-fd.js";
import { sys, syscalls } from "./syscalls.js";

export type Event = "readable" | "writable";
const FOREVER = -1;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

interface Waiter {
  readonly fd: Fd;
  readonly events: number;
  readonly settle: () => void;
}

const waiters = new Set<Waiter>();
let wake: Fd | undefined;
let polling = false;

/**
 * Resolves when `fd` is ready, which includes that the other side is gone; rejects with the reason of `signal`.
 * The descriptor must stay open until then.
 */
export function ready(fd: Fd, event: Event, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const done = () => {
      waiters.delete(waiter);
      signal?.removeEventListener("abort", aborted);
    };
    const aborted = () => {
      done();
      changed();
      reject(signal?.reason);
    };
    const settle = () => {
      done();
      resolve();
    };
    const waiter: Waiter = { fd, events: event === "readable" ? POLL.POLLIN : POLL.POLLOUT, settle };
    signal?.addEventListener("abort", aborted);
    waiters.add(waiter);
    changed();
  });
}

/** The list is another one: the poll that runs must start anew with it. */
function changed(): void {
  if (polling && wake !== undefined) sys.write(wake, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  else if (!polling) void pollAll();
}

async function pollAll(): Promise<void> {
  polling = true;
  using wakeUp = own(sys.eventfd2(0, EFD_CLOEXEC | EFD_NONBLOCK));
  wake = wakeUp.fd;
  while (waiters.size > 0) {
    const watched = [...waiters];
    const table = new Uint8Array((watched.length + 1) * pollfd.sizeBytes);
    table.set(pollfd.encode({ fd: wake, events: POLL.POLLIN, revents: 0 }));
    for (const [index, { fd, events }] of watched.entries())
      table.set(pollfd.encode({ fd, events, revents: 0 }), (index + 1) * pollfd.sizeBytes);
    await callAsync(syscalls.poll.number, [addressOf(table), watched.length + 1, FOREVER]);
    settleReady(table, watched);
  }
  polling = false;
}

function settleReady(table: Uint8Array, watched: readonly Waiter[]): void {
  const view = new DataView(table.buffer);
  const happened = (index: number) => pollfd.read(view, index * pollfd.sizeBytes).revents !== 0;
  if (happened(0) && wake !== undefined) sys.read(wake, new Uint8Array(8), 8);
  for (const [index, waiter] of watched.entries()) if (happened(index + 1) && waiters.has(waiter)) waiter.settle();
}
