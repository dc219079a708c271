import type { Client, Frame, RequestOptions } from "./index.js";
import { createMessageIterator } from "./message-iterator.js";
import { decodePayload, encodePayload } from "./payload.js";

export interface CallOptions<T> extends RequestOptions {
  /** As the option of a topic. Default: `json`. */
  readonly format?: "json" | "text";
  /** Checks and converts the answer, or each of its parts. */
  readonly parse?: (data: unknown) => T;
}

/**
 * Calls a worker, and returns its answer. A call is sent once: after a lost connection, the worker may have done it or not.
 * The answer's parts are joined as text where there are several.
 * @throws ClientError with the worker's code and message
 */
export async function call<T = unknown>(
  client: Client,
  event: string,
  data: unknown,
  options: CallOptions<T> = {},
): Promise<T> {
  const parts: Frame[] = [];
  const last = await sendCall(client, event, data, options, (part) => parts.push(part));
  if (parts.length === 0) return decode(last, options);
  const payload = [...parts, last].map((part) => decodePayload(part, "text")[1]).join("");
  return decode({ topic: "", payload }, options);
}

/**
 * Calls a worker, and iterates over the parts of its answer as they arrive. The call begins at once.
 * @throws ClientError with the worker's code and message
 */
export function callParts<T = unknown>(
  client: Client,
  event: string,
  data: unknown,
  options: CallOptions<T> = {},
): AsyncIterableIterator<T> {
  const ending = new AbortController();
  const abort = (): void => ending.abort(options.signal?.reason);
  const frames = createMessageIterator<Frame & { readonly missed: number }>(2 ** 53, () => {
    options.signal?.removeEventListener("abort", abort);
    ending.abort();
  });
  const push = (frame: Frame): void => frames.push({ ...frame, missed: 0 });
  options.signal?.addEventListener("abort", abort);
  if (options.signal?.aborted) abort();
  sendCall(client, event, data, { ...options, signal: ending.signal }, push).then(
    (last) => {
      push(last);
      frames.end();
    },
    (error: Error) => frames.end(error),
  );
  const read = async (): Promise<IteratorResult<T>> => {
    const result = await frames.next();
    return result.done ? result : { done: false, value: decode(result.value, options) };
  };
  return {
    next: read,
    return: (frames as { return: () => Promise<IteratorReturnResult<undefined>> }).return,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * Publishes a message that is also a task for a worker. Resolves when a worker has the task, or it waits for one.
 * @throws ClientError
 */
export async function trigger(
  client: Client,
  event: string,
  topic: string,
  data: unknown,
  { format, ...options }: Omit<CallOptions<never>, "parse"> = {},
): Promise<void> {
  await client.request(
    { command: "publish", topics: [topic], payload: encodePayload(data, format), trigger: event },
    options,
  );
}

function sendCall(
  client: Client,
  event: string,
  data: unknown,
  { format, signal, timeout, offline = client.offline }: CallOptions<unknown>,
  onPart: (part: Frame) => void,
): Promise<Frame> {
  return client.request(
    // The server gives up at the same time as the caller.
    { command: "call", topics: [event], payload: encodePayload(data ?? null, format), timeout },
    { onPart, offline, signal, timeout },
  );
}

function decode<T>(frame: Frame, { format, parse = (value) => value as T }: CallOptions<T>): T {
  return parse(decodePayload(frame, format)[0]);
}
