// `--cpu-cap` and criurpc's `cpu_cap`: which differences between two processors matter, as a mask of bits.
import { type About, BadText, type Operation, type Option, sent } from "./option.js";

const FPU = 1;
const CPU = 2;
const INS = 4;
/** Set whenever somebody asks: the image is written and read. */
const IMAGE = 8;
const ALL = FPU | CPU | INS;
const DEFAULT = FPU | INS;

const words: Readonly<Record<string, number>> = { fpu: FPU, cpu: CPU, ins: INS, all: ALL };

/** The words add to the default, `^` takes away; "none" is the end of what was said before it. */
function fromText(text: string): number {
  if (text === "") return ALL | IMAGE;
  const mask = text.split(",").reduce((modes, item) => {
    const [, inverted = "", word = ""] = /^(\^*)(.*)$/.exec(item) ?? [];
    const not = inverted.length % 2 === 1;
    if (word === "none") return not ? ALL : 0;
    const bits = Object.hasOwn(words, word) ? words[word] : undefined;
    if (bits === undefined)
      throw new BadText(`${JSON.stringify(item)} is none of fpu, ins, cpu, all, none, with or without ^`);
    return not ? modes & ~bits : modes | bits;
  }, DEFAULT);
  return mask === 0 ? 0 : mask | IMAGE;
}

export function processorModes<A extends Operation>(
  about: About<"cpuCap", A> & { readonly rpc: "cpuCap" },
): Option<number, "cpuCap", A> {
  return {
    cli: undefined,
    ...about,
    argument: "optional",
    default: DEFAULT,
    fromText,
    // Even 0 asks for the image, as in CRIU.
    fromRpc(opts) {
      const modes = sent(opts, "cpuCap");
      return modes === undefined ? undefined : (modes | IMAGE) >>> 0;
    },
    merge: (_earlier, later) => later,
    objection: () => undefined,
  };
}
