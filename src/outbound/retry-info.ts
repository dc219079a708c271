import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import type { Metadata } from "@grpc/grpc-js";

/** Trailer with a google.rpc.Status, by the convention of gRPC's libraries. */
const DETAILS = "grpc-status-details-bin";
const RETRY_INFO = /\/google\.rpc\.RetryInfo$/;

/**
 * Returns the delay after which the server allows a retry, in milliseconds; undefined if it names none. Field numbers are those
 * of google/rpc/status.proto, google/protobuf/any.proto and google/rpc/error_details.proto.
 */
export function readRetryDelay(trailers: Metadata): number | undefined {
  const [status] = trailers.get(DETAILS);
  if (!Buffer.isBuffer(status)) return undefined;
  try {
    for (const detail of readFields(status, 3)) {
      const [type] = readFields(detail, 1);
      const [value] = readFields(detail, 2);
      if (type === undefined || value === undefined || !RETRY_INFO.test(Buffer.from(type).toString())) continue;
      const [delay] = readFields(value, 1);
      return delay && toMilliseconds(fromBinary(DurationSchema, delay));
    }
  } catch {
    // The details of another server, which are only advice.
  }
  return undefined;
}

/** Returns the values of a field that holds bytes, in order. @throws Error malformed bytes */
function readFields(bytes: Uint8Array, wanted: number): readonly Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const values: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) values.push(reader.bytes());
    else reader.skip(type, field);
  }
  return values;
}

function toMilliseconds({ nanos, seconds }: Duration): number {
  return Number(seconds) * 1_000 + nanos / 1_000_000;
}
