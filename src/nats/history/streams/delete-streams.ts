import { type NatsConnection, NatsError } from "nats";
import { hasClassSubjects } from "./stream-config.js";
import { toClassName, toClassSubject, toStreamName } from "./stream-names.js";

/** Error code of JetStream: stream not found. */
const NOT_FOUND = 10_059;

/** The vhost whose streams are deleted. */
export interface DeleteStreamsRequest {
  readonly prefix: string;
  readonly vhost: string;
  /**
   * Times at which the streams known to this node were created, by name. A stream with another time belongs to a new vhost of
   * the same name, which another node has prepared since.
   */
  readonly known: ReadonlyMap<string, string>;
  /** Maximum wait for each answer, in milliseconds. */
  readonly timeout: number;
}

/**
 * Deletes the streams of a vhost's classes, also of those that are not in its settings any more. Streams that have another
 * name or other subjects than a class's stream stay (rule N11). Nodes may do this at the same time.
 * @throws errors of the library
 */
export async function deleteStreams(connection: NatsConnection, request: DeleteStreamsRequest): Promise<void> {
  const { known, prefix, timeout, vhost } = request;
  const manager = await connection.jetstreamManager({ timeout, checkAPI: false });
  const own: string[] = [];
  for await (const { config, created } of manager.streams.list(toClassSubject(prefix, "*", vhost))) {
    const names = (config.subjects ?? []).map((subject) => toClassName(prefix, vhost, subject));
    const isOwn = names.some(
      (name) =>
        name !== undefined &&
        config.name === toStreamName(prefix, name, vhost) &&
        hasClassSubjects(config, prefix, name, vhost),
    );
    if (isOwn && (known.get(config.name) ?? created) === created) own.push(config.name);
  }
  for (const name of own) {
    try {
      await manager.streams.delete(name);
    } catch (cause) {
      // Another node has deleted it.
      if (!(cause instanceof NatsError) || cause.api_error?.err_code !== NOT_FOUND) throw cause;
    }
  }
}
