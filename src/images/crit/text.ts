// Bytes as text, as Python's base64 and quopri modules write them.
const LINE_BYTES = 57;

/** RFC 2045 base64: lines of 76 characters, a newline behind each. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += LINE_BYTES)
    text += `${Buffer.from(bytes.subarray(at, at + LINE_BYTES)).toString("base64")}\n`;
  return text;
}
export const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));

const LINE_CHARACTERS = 76;
const SPACE = 0x20;
const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const DOT = 0x2e;
const EQUALS = 0x3d;

/** RFC 2045 quoted-printable of binascii.b2a_qp(istext): names of unix sockets. */
export function toQuotedPrintable(bytes: Uint8Array): string {
  let text = "";
  let line = 0;
  for (const [at, byte] of bytes.entries()) {
    const next = bytes[at + 1];
    if (byte === NEWLINE || (byte === RETURN && next === NEWLINE)) {
      text += String.fromCharCode(byte);
      line = 0;
      continue;
    }
    const word = needsQuoting(byte, next, line)
      ? `=${byte.toString(16).toUpperCase().padStart(2, "0")}`
      : String.fromCharCode(byte);
    // A line that goes on ends with "=", which has to fit as well.
    if (next !== NEWLINE && line + word.length >= LINE_CHARACTERS) {
      text += "=\n";
      line = 0;
    }
    text += word;
    line += word.length;
  }
  return text;
}

function needsQuoting(byte: number, next: number | undefined, line: number): boolean {
  const ends = next === undefined || next === NEWLINE || next === RETURN;
  if (byte === SPACE || byte === TAB) return next === undefined || next === NEWLINE;
  if (byte === DOT && line === 0) return ends || next === 0;
  return byte < 0x21 || byte > 0x7e || byte === EQUALS;
}

export function fromQuotedPrintable(text: string): Uint8Array {
  const joined = text.replaceAll("=\n", "");
  const bytes = joined.replaceAll(/=([0-9A-Fa-f]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Uint8Array.from(Buffer.from(bytes, "latin1"));
}
