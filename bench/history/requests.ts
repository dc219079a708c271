/** Kinds of reads that are no requests to NATS of their own. */
const WITHOUT_REQUEST: ReadonlySet<string> = new Set(["shared"]);

/** Returns the number of requests that a node has made to read stored messages. */
export async function readStoreRequests(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  let sum = 0;
  for (const [, labels = "", value] of text.matchAll(/^carillon_history_reads_total\{(.*)\} (\S+)$/gm)) {
    const kind = /kind="(\w+)"/.exec(labels)?.[1] ?? "";
    if (!WITHOUT_REQUEST.has(kind)) sum += Number(value);
  }
  return sum;
}
