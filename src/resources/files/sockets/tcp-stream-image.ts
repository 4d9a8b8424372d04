// tcp-stream-INO.img on a restore.
import type { ImageDirectory } from "../../../images/directory.js";
import { type InetSkEntry, TcpStreamEntrySchema } from "../../../images/format/entries.js";
import { StasisError } from "../../../report/error.js";
import type { TcpStream } from "./tcp-stream.js";

/** As TCP_REPAIR_OPTIONS takes it: RFC 7323. */
const HIGHEST_WINDOW_SCALE = 14;

/** Throws StasisError IMAGE_... */
export function readStreamImage(images: ImageDirectory, { ino, id }: InetSkEntry): TcpStream {
  using reader = images.reader("tcp-stream", ino);
  const file = `tcp-stream-${ino.toString(16)}.img`;
  if (reader === undefined)
    throw new StasisError({
      code: "IMAGE_MISSING",
      doing: "read the image",
      subject: { kind: "image", file },
      reason: `socket (file ${id}) is a TCP connection whose stream it would hold`,
    });
  const entry = reader.expect(TcpStreamEntrySchema);
  const received = reader.blob(entry.inqLen).slice();
  const sent = reader.blob(entry.outqLen).slice();
  if (entry.unsqLen > entry.outqLen) throw broken(file, "more waits to be sent than its queue holds");
  if (Math.max(entry.sndWscale, entry.rcvWscale) > HIGHEST_WINDOW_SCALE)
    throw broken(file, "its window scale cannot be");
  return { entry, received, sent };
}

function broken(file: string, reason: string): StasisError {
  return new StasisError({ code: "IMAGE_INVALID", doing: "read the image", subject: { kind: "image", file }, reason });
}
