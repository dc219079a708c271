import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Error detail of google.rpc, in a form that tests compare. */
export type TestDetail =
  | { readonly type: "google.rpc.BadRequest"; readonly field: string; readonly description: string }
  | { readonly type: "google.rpc.RetryInfo"; readonly seconds: number };

/** Reads the only detail of a `grpc-status-details-bin`, by the published field numbers. */
export function detailOfStatus(status: Uint8Array): { readonly message: string; readonly detail: TestDetail } {
  const fields = read(status);
  const any = read(fields.get(3) as Uint8Array);
  return {
    message: text(fields.get(2)),
    detail: detailOf(text(any.get(1)).replace(/^.*\//, ""), any.get(2) as Uint8Array),
  };
}

/** Does the same for a detail in Connect's JSON. */
export function detailOf(type: string, value: Uint8Array): TestDetail {
  const inner = read(read(value).get(1) as Uint8Array);
  if (type === "google.rpc.RetryInfo") {
    return { type, seconds: Number(inner.get(1) ?? 0) + Number(inner.get(2) ?? 0) / 1e9 };
  }
  if (type !== "google.rpc.BadRequest") throw new Error(`unknown detail ${type}`);
  return { type, field: text(inner.get(1)), description: text(inner.get(2)) };
}

/** Returns the last value of each field, by number. */
function read(bytes: Uint8Array): ReadonlyMap<number, Uint8Array | bigint> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array | bigint>();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    fields.set(number, wireType === WireType.Varint ? BigInt(reader.int64()) : reader.bytes());
  }
  return fields;
}

function text(value: Uint8Array | bigint | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : "";
}
