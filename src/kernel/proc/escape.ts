// How /proc writes names that hold separators: fs/seq_file.c:mangle_path, seq_escape (backslash and three octal digits).

/** "a\040b" is "a b". A backslash without three octal digits stands for itself. */
export function decodeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
