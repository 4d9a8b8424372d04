// What an image says of an internet socket, checked before anything is made.
import type { InetSkEntry } from "../../../images/format/entries.js";
import { AF_INET, AF_INET6 } from "../../../kernel/abi/in.js";
import type { RestoreOptions } from "../../../options/views.js";
import { StasisError } from "../../../report/error.js";
import { isConnection, wordCount } from "./inet-entry.js";
import { kindOf } from "./ip-options.js";
import { isCarried } from "./more-options.js";
import { isKnown } from "./protocols.js";
import { isRepairable } from "./tcp-fins.js";

const HIGHEST_PORT = 0xffff;

/** Throws StasisError. */
export function validateInet(entry: InetSkEntry, options: RestoreOptions): void {
  const subject = { kind: "image", file: "files.img" } as const;
  const defect = defectOf(entry);
  if (defect !== undefined)
    throw new StasisError({
      code: "IMAGE_INVALID",
      doing: "read the image",
      subject,
      reason: `socket (file ${entry.id}): ${defect}`,
    });
  if (!isConnection(entry) || options.tcpClose || options.tcpEstablished) return;
  throw new StasisError({
    code: "FILE_UNSUPPORTED",
    doing: "restore the file",
    subject,
    reason: `socket (file ${entry.id}) is a TCP connection`,
    remedy: "pass --tcp-established, or --tcp-close to have it come back closed",
  });
}

function defectOf(entry: InetSkEntry): string | undefined {
  const { family, srcAddr, dstAddr, srcPort, dstPort } = entry;
  if (family !== AF_INET && family !== AF_INET6) return `its family ${family} is none of the internet's`;
  if (!isKnown(kindOf(entry))) return `a socket of type ${entry.type} and protocol ${entry.proto} cannot be`;
  if (srcAddr.length < wordCount(family) || dstAddr.length < wordCount(family)) return "its addresses are too short";
  if (srcPort > HIGHEST_PORT || dstPort > HIGHEST_PORT) return `a port of ${Math.max(srcPort, dstPort)} cannot be`;
  if (isConnection(entry) && !isRepairable(entry.state)) return `a connection in state ${entry.state} cannot be`;
  const strange = entry.moreOpts.find((option) => !isCarried(kindOf(entry), option));
  return strange && `its option ${strange.level}:${strange.name} is none that is carried over`;
}
