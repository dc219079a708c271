import {
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  ErrorCode as NatsErrorCode,
  type StreamConfig,
  type StreamInfo,
} from "nats";
import type { HistoryClass } from "../../../core/history.js";
import { CarillonError } from "../../../errors.js";
import { describeConnectFailure } from "../../link/connect.js";
import { type ClassStreamConfig, createStreamConfig, isOwnStream, needsUpdate } from "./stream-config.js";

/** Error codes of JetStream. Source: nats-server, server/errors.json. */
const NAME_IN_USE = 10_058;
const NOT_FOUND = 10_059;
const SUBJECTS_OVERLAP = 10_065;
const TEMPORARILY_UNAVAILABLE = 10_008;

const NO_JETSTREAM: ReadonlySet<string> = new Set([NatsErrorCode.JetStreamNotEnabled, NatsErrorCode.NoResponders]);

/** The class whose stream is opened. */
export interface OpenStreamRequest {
  readonly prefix: string;
  readonly vhost: string;
  readonly history: HistoryClass;
  /** Storage that the settings of this process had before a change: a stream that has it is replaced. Undefined: none is. */
  readonly replaces: HistoryClass["storage"] | undefined;
  /** Maximum wait for each answer, in milliseconds. */
  readonly timeout: number;
}

/** A stream that stores a class. */
export interface OpenedStream {
  readonly name: string;
  readonly replicas: number;
  /** Maximum number of messages of a topic that the stream keeps. */
  readonly messages: number;
  /** Time at which it was created. A stream that replaces another has another time. */
  readonly created: string;
  /** Text for the operator; undefined if everything is as wanted. */
  readonly notice: string | undefined;
}

/**
 * Finds, creates or updates the stream of a class. Nodes may do this at the same time. Changes only the stream that has the
 * class's own name and exactly its subjects (rule N11).
 * @throws CarillonError failed_precondition: the server cannot do what the class needs, or another stream is in the way
 * @throws errors of the library
 */
export async function openStream(connection: NatsConnection, request: OpenStreamRequest): Promise<OpenedStream> {
  try {
    const manager = await connection.jetstreamManager({ timeout: request.timeout, checkAPI: false });
    const wanted = createStreamConfig(request.prefix, request.vhost, request.history);
    const found = await findStream(manager, wanted.name);
    return await (found === undefined ? create(manager, wanted) : adapt(manager, wanted, found, request.replaces));
  } catch (cause) {
    throw toOperatorError(cause);
  }
}

async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (cause) {
    if (hasCode(cause, NOT_FOUND)) return undefined;
    throw cause;
  }
}

async function adapt(
  manager: JetStreamManager,
  wanted: ClassStreamConfig,
  found: StreamInfo,
  replaces: HistoryClass["storage"] | undefined,
): Promise<OpenedStream> {
  const { name } = wanted;
  const { config } = found;
  if (!isOwnStream(config, wanted)) {
    const text = `stream ${name} has other subjects, retention or republishing than Carillon's: rename or delete it`;
    throw new CarillonError("failed_precondition", text);
  }
  const { storage } = config;
  if (storage !== wanted.storage && storage === replaces) {
    await manager.streams.delete(name);
    const notice = `stream ${name} was replaced by an empty one, because storage has changed from ${storage}`;
    return { ...(await create(manager, wanted)), notice };
  }
  const possible = { ...wanted, storage };
  const notice = storage === wanted.storage ? undefined : `stored in ${storage} until stream ${name} is deleted`;
  return opened(needsUpdate(config, possible) ? await update(manager, possible, found) : found, notice);
}

/** Changes a stream. Where more messages are kept than before, anchors do not prove any longer that none were removed. */
async function update(
  manager: JetStreamManager,
  wanted: ClassStreamConfig,
  { config }: StreamInfo,
): Promise<StreamInfo> {
  const { name } = wanted;
  if (wanted.max_msgs_per_subject <= config.max_msgs_per_subject) return manager.streams.update(name, wanted);
  await removeAnchors(manager, wanted);
  const updated = await manager.streams.update(name, wanted);
  // Other nodes may have stored anchors meanwhile.
  await removeAnchors(manager, wanted);
  return updated;
}

async function removeAnchors(
  manager: JetStreamManager,
  { name, republish, subjects }: ClassStreamConfig,
): Promise<void> {
  // All other subjects of the stream are those that it republishes.
  for (const filter of subjects) if (filter !== republish.src) await manager.streams.purge(name, { filter });
}

async function create(manager: JetStreamManager, wanted: ClassStreamConfig): Promise<OpenedStream> {
  try {
    const info = await manager.streams.add(wanted);
    checkSupport(info.config, wanted);
    return opened(info, undefined);
  } catch (cause) {
    if (hasCode(cause, SUBJECTS_OVERLAP)) throw await toOverlap(manager, wanted, cause);
    if (!hasCode(cause, NAME_IN_USE)) throw cause;
    // Another node has created it meanwhile, with other settings.
    return adapt(manager, wanted, await manager.streams.info(wanted.name), undefined);
  }
}

/** Names the streams that store the subjects of a class, and belong to somebody else. */
async function toOverlap(manager: JetStreamManager, { subjects }: ClassStreamConfig, cause: unknown): Promise<Error> {
  const names = new Set<string>();
  for (const subject of subjects) for (const name of await manager.streams.names(subject).next()) names.add(name);
  const text = `subjects are used by stream ${[...names].join(", ")}, which is not Carillon's`;
  return new CarillonError("failed_precondition", text, { cause });
}

function hasCode(cause: unknown, code: number): boolean {
  return cause instanceof NatsError && cause.api_error?.err_code === code;
}

/** Servers ignore settings that they do not know. */
function checkSupport(actual: StreamConfig, wanted: ClassStreamConfig): void {
  if (actual.allow_direct && actual.republish?.src === wanted.republish.src) return;
  throw new CarillonError("failed_precondition", "history requires nats-server 2.9 or newer");
}

function opened({ config, created }: StreamInfo, notice: string | undefined): OpenedStream {
  const { max_msgs_per_subject: messages, name, num_replicas: replicas } = config;
  return { name, replicas, messages, created, notice };
}

/** Names the errors that the operator must resolve. */
function toOperatorError(cause: unknown): unknown {
  if (!(cause instanceof NatsError)) return cause;
  const { api_error: api, code } = cause;
  if (api?.err_code === TEMPORARILY_UNAVAILABLE) return cause;
  if (NO_JETSTREAM.has(code)) {
    const text = "history requires JetStream, which does not answer: start nats-server with --jetstream";
    return new CarillonError("failed_precondition", text, { cause });
  }
  return api === undefined ? cause : new CarillonError("failed_precondition", describeConnectFailure(cause), { cause });
}
