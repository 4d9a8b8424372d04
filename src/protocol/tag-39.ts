// Field 39 of CriuOpts has two readings: `bool no_seccomp` in the RPC document of 2016, `repeated JoinNamespace join_ns` in CRIU since 2.3.
// The wire types tell them apart. The schema reserves the number, so protobuf-es keeps what comes among the unknown fields.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { CriuOpts, JoinNamespace } from "./gen/rpc_pb.js";
import { JoinNamespaceSchema } from "./gen/rpc_pb.js";
import { wireFault } from "./wire.js";

export const TAG_39 = 39;

export interface Tag39 {
  /** Seccomp filters shall not be dumped. Undefined: not said. */
  readonly noSeccomp: boolean | undefined;
  /** Namespaces to restore into. */
  readonly joinNs: readonly JoinNamespace[];
}

type UnknownField = NonNullable<CriuOpts["$unknown"]>[number];
const of39 = (opts: CriuOpts): readonly UnknownField[] => (opts.$unknown ?? []).filter(({ no }) => no === TAG_39);
/** The bytes of a length-delimited field without their length, which protobuf-es leaves in front. */
const content = ({ data }: UnknownField) => new BinaryReader(data).bytes();

export function readTag39(opts: CriuOpts): Tag39 {
  const fields = of39(opts);
  const flags = fields.filter(({ wireType }) => wireType === WireType.Varint);
  const last = flags.at(-1);
  return {
    noSeccomp: last === undefined ? undefined : new BinaryReader(last.data).bool(),
    joinNs: fields
      .filter(({ wireType }) => wireType === WireType.LengthDelimited)
      .map((field) => fromBinary(JoinNamespaceSchema, content(field))),
  };
}

/** What is wrong with field 39, as part of a sentence; undefined: nothing. */
export function tag39Fault(opts: CriuOpts): string | undefined {
  for (const field of of39(opts)) {
    if (field.wireType === WireType.Varint) continue;
    if (field.wireType !== WireType.LengthDelimited) return `its field ${TAG_39} has the wire type ${field.wireType}`;
    const fault = wireFault(content(field), JoinNamespaceSchema);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Adds namespaces to join, as CRIU reads them. */
export function addJoinNs(
  opts: CriuOpts,
  namespaces: readonly { ns: string; nsFile: string; extraOpt?: string }[],
): void {
  const fields = namespaces.map((init) => {
    const bytes = toBinary(JoinNamespaceSchema, create(JoinNamespaceSchema, init));
    return { no: TAG_39, wireType: WireType.LengthDelimited, data: new BinaryWriter().bytes(bytes).finish() };
  });
  opts.$unknown = [...(opts.$unknown ?? []), ...fields];
}

/** Adds the flag of the RPC document of 2016. CRIU from 2.3 on takes a message with it for malformed. */
export function addNoSeccomp(opts: CriuOpts): void {
  opts.$unknown = [...(opts.$unknown ?? []), { no: TAG_39, wireType: WireType.Varint, data: new Uint8Array([1]) }];
}
