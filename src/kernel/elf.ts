// The dynamic symbols of an ELF image in memory: elf(5). Little-endian, 64 bits; offsets are those of the image, as in a vdso, which is
// linked to address 0. The image may come from a file of a stranger: whatever it says is checked.

export class ElfFormatError extends Error {
  override readonly name = "ElfFormatError";
}

/** A function within the image. */
export interface ElfFunction {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

const MAGIC = 0x464c457f;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_DYNAMIC = 2;
const DYNAMIC_BYTES = 16;
const DT_NULL = 0n;
const DT_HASH = 4n;
const DT_STRTAB = 5n;
const DT_SYMTAB = 6n;
const SYMBOL_BYTES = 24;
const STT_FUNC = 2;
const LONGEST_NAME = 256;

/** Every function that the image exports; an address may have several names. Throws ElfFormatError. */
export function exportedFunctions(image: Uint8Array): ElfFunction[] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  try {
    return readFunctions(view);
  } catch (error) {
    if (error instanceof RangeError) throw new ElfFormatError(`an offset leads out of the ${image.byteLength} bytes`);
    throw error;
  }
}

function readFunctions(view: DataView): ElfFunction[] {
  if (view.getUint32(0, true) !== MAGIC || view.byteLength < HEADER_BYTES)
    throw new ElfFormatError("it is no ELF image");
  const tags = readDynamic(view);
  const [symbols, texts, hash] = [DT_SYMTAB, DT_STRTAB, DT_HASH].map((tag) => tags.get(tag));
  if (symbols === undefined || texts === undefined) throw new ElfFormatError("it has no dynamic symbols");
  // The second word of a hash table is how many symbols there are; without one, their names follow them.
  const count = hash === undefined ? Math.floor((texts - symbols) / SYMBOL_BYTES) : view.getUint32(hash + 4, true);
  const found: ElfFunction[] = [];
  for (let at = symbols; at < symbols + count * SYMBOL_BYTES; at += SYMBOL_BYTES) {
    const isDefined = view.getUint16(at + 6, true) !== 0;
    if ((view.getUint8(at + 4) & 0xf) !== STT_FUNC || !isDefined) continue;
    const [offset, sizeBytes] = [word(view, at + 8), word(view, at + 16)];
    if (offset + sizeBytes > view.byteLength) throw new ElfFormatError("a function lies outside of it");
    found.push({ name: textAt(view, texts + view.getUint32(at, true)), offset, sizeBytes });
  }
  return found;
}

function readDynamic(view: DataView): Map<bigint, number> {
  const tags = new Map<bigint, number>();
  const headers = word(view, 32);
  const count = view.getUint16(56, true);
  for (let header = 0; header < count; header++) {
    const at = headers + header * PROGRAM_HEADER_BYTES;
    if (view.getUint32(at, true) !== PT_DYNAMIC) continue;
    for (let entry = word(view, at + 8); view.getBigUint64(entry, true) !== DT_NULL; entry += DYNAMIC_BYTES)
      tags.set(view.getBigUint64(entry, true), word(view, entry + 8));
  }
  return tags;
}

/** An offset or size; one that is too large for the image is a RangeError when it is used. */
const word = (view: DataView, at: number) => Number(view.getBigUint64(at, true));

function textAt(view: DataView, at: number): string {
  let text = "";
  for (let code = view.getUint8(at); code !== 0 && text.length < LONGEST_NAME; code = view.getUint8(at + text.length))
    text += String.fromCharCode(code);
  return text;
}
