// What the bench has started, so that nothing of it stays when the bench itself is stopped by a signal.

export const running = new Set<number>();

/** Kills all of it when we are told to stop, then calls `tidy` and ends. */
export function stopWithUs(tidy: () => void): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      for (const pid of running) kill(pid);
      tidy();
      process.exit(1);
    });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // Between a dump and a restore a target is not there.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
