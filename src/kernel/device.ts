// Device numbers: stat(2) has them as the C library does (sysmacros.h), fdinfo and images as the kernel (include/linux/kdev_t.h).

/** MAJOR << 20 | MINOR, from st_dev. */
export function kernelDevice(dev: bigint): number {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn & 0xffffffn);
  return Number(BigInt.asUintN(32, (major << 20n) | (minor & 0xfffffn)));
}

/** The same from the two numbers of mountinfo. */
export const kernelDeviceOf = (major: number, minor: number): number => ((major << 20) | minor) >>> 0;
