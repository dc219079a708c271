/** Time as protobuf has it. */
export interface ProtoTime {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Formats a time as RFC 3339, in UTC with milliseconds; "" where there is none. */
export function formatTime(time: ProtoTime | undefined): string {
  if (time === undefined) return "";
  return new Date(Number(time.seconds) * 1_000 + time.nanos / 1_000_000).toISOString();
}
