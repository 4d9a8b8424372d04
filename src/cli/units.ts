// Numbers for people.

const STEP = 1024;
const names = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** "1.5 MiB" */
export function showBytes(bytes: number): string {
  let value = bytes;
  let step = 0;
  while (value >= STEP && step < names.length - 1) {
    value /= STEP;
    step++;
  }
  return `${step === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${names[step]}`;
}
