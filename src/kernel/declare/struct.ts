// How a kernel struct is declared: a table of offsets from which decoding and encoding follow.

/** How one field lies in memory; little-endian, as on every machine that we support. */
export interface Field<T> {
  readonly sizeBytes: number;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
}
const LE = true;
export const u8: Field<number> = {
  sizeBytes: 1,
  read: (view, at) => view.getUint8(at),
  write: (view, at, value) => view.setUint8(at, value),
};
export const u16: Field<number> = {
  sizeBytes: 2,
  read: (view, at) => view.getUint16(at, LE),
  write: (view, at, value) => view.setUint16(at, value, LE),
};
/** Network byte order: ports. */
export const be16: Field<number> = {
  sizeBytes: 2,
  read: (view, at) => view.getUint16(at),
  write: (view, at, value) => view.setUint16(at, value),
};
export const u32: Field<number> = {
  sizeBytes: 4,
  read: (view, at) => view.getUint32(at, LE),
  write: (view, at, value) => view.setUint32(at, value, LE),
};
export const i32: Field<number> = {
  sizeBytes: 4,
  read: (view, at) => view.getInt32(at, LE),
  write: (view, at, value) => view.setInt32(at, value, LE),
};
export const u64: Field<bigint> = {
  sizeBytes: 8,
  read: (view, at) => view.getBigUint64(at, LE),
  write: (view, at, value) => view.setBigUint64(at, BigInt.asUintN(64, value), LE),
};
export const i64: Field<bigint> = {
  sizeBytes: 8,
  read: (view, at) => view.getBigInt64(at, LE),
  write: (view, at, value) => view.setBigInt64(at, BigInt.asIntN(64, value), LE),
};
/** A run of bytes inside a struct, copied out and in as it is. */
export const bytes = (lengthBytes: number): Field<Uint8Array> => ({
  sizeBytes: lengthBytes,
  read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, lengthBytes).slice(),
  write: (view, at, value) => {
    if (value.byteLength !== lengthBytes)
      throw new RangeError(`${value.byteLength} bytes for a field of ${lengthBytes}`);
    new Uint8Array(view.buffer, view.byteOffset + at, lengthBytes).set(value);
  },
});

// biome-ignore lint/suspicious/noExplicitAny: a table of fields of different types has no narrower bound that keeps inference
type Fields = Readonly<Record<string, readonly [offset: number, field: Field<any>]>>;
export type Shape<F extends Fields> = { [K in keyof F]: F[K][1] extends Field<infer T> ? T : never };

export interface Layout<T> extends Field<T> {
  readonly name: string;
  /** Name, offset and size of each field, for the test that compares with the running kernel. */
  readonly fields: readonly { readonly name: string; readonly offset: number; readonly sizeBytes: number }[];
  decode(bytes: Uint8Array): T;
  encode(value: T): Uint8Array;
}
export type ShapeOf<L> = L extends Layout<infer T> ? T : never;

/** Declares a kernel struct once. Throws when fields overlap or leave the size: a wrong table cannot be loaded. */
export function struct<const F extends Fields>(name: string, sizeBytes: number, fields: F): Layout<Shape<F>> {
  const entries = Object.entries(fields);
  checkPlacement(name, sizeBytes, fields);
  const placed = entries.map(([key, [offset, field]]) => ({ key, offset, field }));
  // A dump of ten thousand files decodes as many structs: fromEntries() and map() take four times as long.
  const read = (view: DataView, at: number) => {
    const value: Record<string, unknown> = {};
    for (const { key, offset, field } of placed) value[key] = field.read(view, at + offset);
    return value as Shape<F>;
  };
  const write = (view: DataView, at: number, value: Shape<F>) => {
    for (const { key, offset, field } of placed) field.write(view, at + offset, value[key]);
  };
  return {
    name,
    sizeBytes,
    fields: entries.map(([field, [offset, type]]) => ({ name: field, offset, sizeBytes: type.sizeBytes })),
    read,
    write,
    decode(from) {
      if (from.byteLength < sizeBytes)
        throw new RangeError(`struct ${name} needs ${sizeBytes} bytes, got ${from.byteLength}`);
      return read(new DataView(from.buffer, from.byteOffset, from.byteLength), 0);
    },
    encode(value) {
      const to = new Uint8Array(sizeBytes);
      write(new DataView(to.buffer), 0, value);
      return to;
    },
  };
}

function checkPlacement(name: string, sizeBytes: number, fields: Fields): void {
  let end = 0;
  for (const [field, [offset, type]] of Object.entries(fields)) {
    if (offset < end) throw new Error(`struct ${name}: ${field} at ${offset} overlaps the field before it`);
    end = offset + type.sizeBytes;
    if (end > sizeBytes) throw new Error(`struct ${name}: ${field} ends at ${end}, past ${sizeBytes}`);
  }
}
