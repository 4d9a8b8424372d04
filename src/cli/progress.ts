// Long work on a terminal: a bar with bytes, rate and time left. Nothing when stderr is no terminal, or for what is over at once.
import { SingleBar } from "cli-progress";
import type { OnProgress } from "../report/progress.js";
import { showBytes } from "./units.js";

/** A second's work on a slow disk. */
const MUCH_BYTES = 64 << 20;
const FORMAT = "{doing} [{bar}] {percentage}% {done} of {all}, {rate}/s, {left} left";

export interface TerminalProgress extends Disposable {
  readonly tell: OnProgress;
}

/** Undefined: nobody is there to look. */
export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): TerminalProgress | undefined {
  if (!stream.isTTY) return undefined;
  const bar = new SingleBar({
    stream,
    format: FORMAT,
    // The engine does not come back to the event loop: each call draws by itself.
    synchronousUpdate: true,
    clearOnComplete: true,
    stopOnComplete: false,
    hideCursor: true,
    linewrap: null,
    fps: 10,
  });
  let start: number | undefined;
  return {
    tell({ operation, doneBytes, totalBytes }) {
      if (totalBytes < MUCH_BYTES) return;
      const payload = { doing: operation, ...rates(doneBytes, totalBytes, start) };
      if (start === undefined) bar.start(totalBytes, doneBytes, payload);
      start ??= performance.now();
      bar.setTotal(totalBytes);
      bar.update(doneBytes, payload);
    },
    [Symbol.dispose]() {
      if (start !== undefined) bar.stop();
    },
  };
}

function rates(doneBytes: number, totalBytes: number, start: number | undefined) {
  const seconds = start === undefined ? 0 : (performance.now() - start) / 1000;
  const perSecond = seconds === 0 ? 0 : doneBytes / seconds;
  const left = perSecond === 0 ? "?" : `${Math.ceil((totalBytes - doneBytes) / perSecond)} s`;
  return { done: showBytes(doneBytes), all: showBytes(totalBytes), rate: showBytes(Math.round(perSecond)), left };
}
