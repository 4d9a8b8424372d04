// `stasis check --feature NAME`: CRIU's names of what a kernel may have. Whoever asks decides by the answer what to run.
import { existsSync } from "node:fs";
import { runs32BitCode } from "../kernel/code-32.js";
import { kernelIsAtLeast } from "../kernel/kernel-release.js";
import { isInstalled } from "../kernel/path.js";
import { hostThings, look } from "../operations/host.js";
import { StasisError } from "../report/error.js";
import { engine } from "../service/engine.js";

const onKernel = (major: number, minor: number) => () => kernelIsAtLeast(major, minor);
const never = () => false;
const always = () => true;

/** What our own minimum (Linux 6.7) has is always there; `never` is what we have no use for yet. */
const features: Readonly<Record<string, () => boolean>> = {
  aio_remap: always,
  apparmor_stacking: never,
  autofs: never,
  breakpoints: always,
  can_map_vdso: always,
  cgroupns: always,
  clone3_set_tid: always,
  compat_cr: runs32BitCode,
  external_net_ns: never,
  fdinfo_lock: always,
  get_rseq_conf: always,
  has_ipt_legacy: () => ["iptables-legacy", "ip6tables-legacy"].every(isInstalled),
  ipv6_freebind: always,
  kcmp_epoll: always,
  link_nsid: always,
  loginuid: () => existsSync("/proc/self/loginuid"),
  mem_dirty_track: () => engine.features().memTrack,
  memfd_hugetlb: () => existsSync("/sys/kernel/mm/hugepages"),
  mnt_id: always,
  move_mount_set_group: always,
  net_diag_raw: always,
  network_lock_nftables: () => hostThings.some((thing) => thing.name === "nf_tables" && look(thing).found),
  newifindex: always,
  nftables: never,
  ns_pid: always,
  nsid: always,
  openat2: always,
  overlayfs_maps: onKernel(6, 8),
  pagemap_scan: always,
  pagemap_scan_guard_pages: onKernel(6, 15),
  pidfd_store: () => engine.features().pidfdStore,
  seccomp_filters: () => existsSync("/proc/sys/kernel/seccomp/actions_avail"),
  seccomp_suspend: () => existsSync("/proc/sys/kernel/seccomp/actions_avail"),
  sk_ns: always,
  sk_unix_file: always,
  sockopt_buf_lock: always,
  tcp_half_closed: always,
  timens: () => existsSync("/proc/self/ns/time"),
  timer_cr_ids: onKernel(6, 15),
  timerfd: always,
  tun: () => existsSync("/dev/net/tun"),
  tun_ns: () => existsSync("/dev/net/tun"),
  uffd: () => existsSync("/proc/sys/vm/unprivileged_userfaultfd"),
  "uffd-noncoop": () => engine.features().lazyPages,
  userns: () => existsSync("/proc/self/ns/user"),
};

/** @throws StasisError HOST_UNSUPPORTED when the host has it not, OPTION_INVALID when nobody knows it */
export function hasFeature(name: string): void {
  const probe = Object.hasOwn(features, name) ? features[name] : undefined;
  const about = { doing: "find", subject: { kind: "host", what: `the feature ${name}` } } as const;
  if (probe === undefined)
    throw new StasisError({ code: "OPTION_INVALID", ...about, reason: "no feature has this name" });
  if (probe()) return;
  const remedy = "do without it, or use a kernel that has it";
  throw new StasisError({ code: "HOST_UNSUPPORTED", ...about, reason: "it is not supported here", remedy });
}
