/** Metrics of a node. */
export interface Metrics {
  readonly messagesOut: number;
  /** Number of messages dropped because a session was too slow. */
  readonly dropped: number;
}

const SLOW_REASONS = new Set(["slow_consumer", "drop_oldest", "latest"]);

export async function readMetrics(port: number): Promise<Metrics> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  let dropped = 0;
  for (const [, reason = "", value] of text.matchAll(/^carillon_drops_total\{reason="(\w+)"\} (\S+)$/gm)) {
    if (SLOW_REASONS.has(reason)) dropped += Number(value);
  }
  return { messagesOut: Number(/^carillon_messages_out_total (\S+)$/m.exec(text)?.[1]), dropped };
}
