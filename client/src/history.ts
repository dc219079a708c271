import { isTemporary } from "./errors.js";
import type { Client, Frame, Message, RequestOptions, StateRequest, Topic } from "./index.js";

export interface HistoryQuery {
  /** 1 to 1,000. Default: 100. */
  readonly limit?: number;
  /** Position: only older messages. */
  readonly before?: string;
  /** Position: only newer messages. */
  readonly after?: string;
  readonly since?: Date;
  readonly until?: Date;
}

export interface HistoryPage<T> {
  /** Oldest first. With only `after` or `since` these are the first messages of the range, otherwise the last ones. */
  readonly messages: readonly Message<T>[];
  /** Whether there are others in the range. */
  readonly more: boolean;
}

interface RawPage {
  readonly messages: readonly Frame[];
  readonly more: boolean;
}

/** Reads stored messages of a topic. @throws ClientError, and what the topic's `parse` throws */
export async function readHistory<T>(
  topic: Topic<T, never> | Topic<T>,
  query: HistoryQuery = {},
  options: RequestOptions = {},
): Promise<HistoryPage<T>> {
  const { messages, more } = await readPage(topic, query, options);
  return { messages: messages.map((frame) => topic.decode(frame)), more };
}

/**
 * Makes a `getState` that loads the latest messages: at first, and when messages are missing. The event `state` has them,
 * oldest first. A message that cannot be parsed is left out, and reported.
 * @param limit - 1 to 1,000
 */
export function rewind<T>(limit: number): (request: StateRequest<T>) => Promise<readonly Message<T>[]> {
  return async ({ known, signal, topic }) => {
    try {
      const { messages } = await readPage(topic, { limit }, { signal, offline: "queue" });
      return messages.flatMap((frame) => {
        known.add(frame.id as string);
        try {
          return [topic.decode(frame)];
        } catch (error) {
          topic.client.report(error);
          return [];
        }
      });
    } catch (error) {
      // Another attempt would be refused, too.
      if (signal.aborted || isTemporary(error)) throw error;
      topic.client.report(error);
      return [];
    }
  };
}

async function readPage(
  { client, name }: { readonly client: Client; readonly name: string },
  payload: HistoryQuery,
  options: RequestOptions,
): Promise<RawPage> {
  const command = { command: "history", topics: [name], payload };
  const answer = await client.request(command, { ...options, repeat: true });
  return answer.payload as RawPage;
}
