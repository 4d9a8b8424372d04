// Words in network byte order as text, compressed as Python's ipaddress does (RFC 5952): one word is IPv4, four are IPv6.
const octetsOf = (words: readonly number[]) =>
  words.flatMap((one) => [one & 255, (one >>> 8) & 255, (one >>> 16) & 255, one >>> 24]);
const wordsOf = (octets: readonly number[]) =>
  Array.from(
    { length: octets.length / 4 },
    (_, at) =>
      ((octets[at * 4] ?? 0) |
        ((octets[at * 4 + 1] ?? 0) << 8) |
        ((octets[at * 4 + 2] ?? 0) << 16) |
        ((octets[at * 4 + 3] ?? 0) << 24)) >>>
      0,
  );

export function showAddress(words: readonly number[]): string {
  const octets = octetsOf(words);
  if (words.length !== 4) return octets.slice(0, 4).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => ((octets[at * 2] ?? 0) << 8) | (octets[at * 2 + 1] ?? 0));
  const { start, length } = longestZeros(groups);
  const hex = (some: readonly number[]) => some.map((group) => group.toString(16)).join(":");
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** Undefined: no address. */
export function readAddress(text: string): readonly number[] | undefined {
  const octets = text.includes(":") ? octetsOfIpv6(text) : text.split(".").map(decimal);
  const wanted = text.includes(":") ? 16 : 4;
  if (octets.length !== wanted || octets.some((octet) => !(octet >= 0 && octet <= 255))) return undefined;
  return wordsOf(octets);
}

const decimal = (text: string) => (/^\d{1,3}$/.test(text) ? Number(text) : -1);

function octetsOfIpv6(text: string): number[] {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return [];
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const [first, last] = [groups(head), tail === undefined ? [] : groups(tail)];
  const missing = 8 - first.length - last.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return [];
  return [...first, ...Array.from({ length: missing }, () => "0"), ...last].flatMap((group) => {
    const value = /^[0-9a-fA-F]{1,4}$/.test(group) ? Number.parseInt(group, 16) : -1;
    return value < 0 ? [-1, -1] : [value >>> 8, value & 255];
  });
}
