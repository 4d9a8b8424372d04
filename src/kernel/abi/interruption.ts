// System calls that a stop ends with EINTR, though no handler runs: signal(7). Numbers: arch/x86/entry/syscalls/syscall_64.tbl
// and syscall_32.tbl.

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

/** The same of 32-bit code; socketcall(2) and ipc(2) are many calls in one, and not among them. */
export const repeatableCompat: ReadonlySet<bigint> = new Set([
  177n, // rt_sigtimedwait
  247n, // io_getevents
  256n, // epoll_wait
  319n, // epoll_pwait
  337n, // recvmmsg
  364n, // accept4
  371n, // recvfrom
  372n, // recvmsg
  416n, // io_pgetevents
  417n, // recvmmsg_time64
  420n, // semtimedop_time64
  421n, // rt_sigtimedwait_time64
  441n, // epoll_pwait2
]);
