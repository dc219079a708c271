export interface FetchLimits {
  /** Milliseconds for the whole response. */
  readonly timeout: number;
  readonly maxBytes: number;
}

/** Fetches a small text. A redirect is an error, because it could lead to an internal address. */
export async function fetchText(url: URL, { maxBytes, timeout }: FetchLimits): Promise<string> {
  const response = await fetch(url, {
    redirect: "error",
    signal: AbortSignal.timeout(timeout),
    headers: { accept: "application/json, application/jwk-set+json" },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the response has status ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    // Leaving the loop closes the connection.
    if (bytes > maxBytes) throw new Error(`the response is larger than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
