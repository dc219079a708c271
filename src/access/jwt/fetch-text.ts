export interface FetchLimits {
  /** Milliseconds for the whole answer. */
  readonly timeout: number;
  readonly maxBytes: number;
}

/** Gets a small text. A redirect is an error: it might lead to where nobody meant to ask. */
export async function fetchText(url: URL, { maxBytes, timeout }: FetchLimits): Promise<string> {
  const response = await fetch(url, {
    redirect: "error",
    signal: AbortSignal.timeout(timeout),
    headers: { accept: "application/json, application/jwk-set+json" },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the answer is ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    // Leaving the loop ends the connection.
    if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
