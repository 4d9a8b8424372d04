// System calls that a stop ends with EINTR, though no handler runs: signal(7). Numbers: arch/x86/entry/syscalls/syscall_64.tbl.

/** They return EINTR only when they have done nothing yet. */
export const repeatable: ReadonlySet<bigint> = new Set([
  43n, // accept, with SO_RCVTIMEO
  45n, // recvfrom, likewise
  47n, // recvmsg, likewise
  65n, // semop
  128n, // rt_sigtimedwait
  208n, // io_getevents
  220n, // semtimedop
  232n, // epoll_wait
  281n, // epoll_pwait
  288n, // accept4
  299n, // recvmmsg
  333n, // io_pgetevents
  441n, // epoll_pwait2
]);
