import {
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  ErrorCode as NatsErrorCode,
  type StreamConfig,
} from "nats";
import type { HistoryClass } from "../../../core/history.js";
import { CarillonError } from "../../../errors.js";
import { describeConnectFailure } from "../../link/connect.js";
import { type ClassStreamConfig, compareConfig, createStreamConfig } from "./stream-config.js";
import { toClassSubject, toStreamName } from "./stream-names.js";

/** Error codes of JetStream. Source: nats-server, server/errors.json. */
const NAME_IN_USE = 10_058;
const TEMPORARILY_UNAVAILABLE = 10_008;

const NO_JETSTREAM: ReadonlySet<string> = new Set([NatsErrorCode.JetStreamNotEnabled, NatsErrorCode.NoResponders]);

/** The class whose stream is opened. */
export interface OpenStreamRequest {
  readonly prefix: string;
  readonly vhost: string;
  readonly history: HistoryClass;
  /** Whether a stream whose settings cannot be changed is replaced. */
  readonly mayReplace: boolean;
  /** Maximum wait for each answer, in milliseconds. */
  readonly timeout: number;
}

/** A stream that stores a class. */
export interface OpenedStream {
  readonly name: string;
  readonly replicas: number;
  /** Text for the operator; undefined where everything is as wanted. */
  readonly notice: string | undefined;
}

/**
 * Finds, creates or updates the stream of a class. Nodes may do this at the same time.
 * @throws CarillonError failed_precondition: the server cannot do what the class needs
 * @throws errors of the library
 */
export async function openStream(connection: NatsConnection, request: OpenStreamRequest): Promise<OpenedStream> {
  try {
    const manager = await connection.jetstreamManager({ timeout: request.timeout, checkAPI: false });
    const subject = toClassSubject(request.prefix, request.history.name, request.vhost);
    const [name] = await manager.streams.names(subject).next();
    if (name === undefined) return await create(manager, request, undefined);
    return await adapt(manager, request, name);
  } catch (cause) {
    throw toFault(cause);
  }
}

async function adapt(manager: JetStreamManager, request: OpenStreamRequest, name: string): Promise<OpenedStream> {
  const { history, mayReplace, prefix, vhost } = request;
  const wanted = createStreamConfig(prefix, vhost, history, name);
  const { config } = await manager.streams.info(name);
  const change = compareConfig(config, wanted);
  if (change === "none") return opened(config, undefined);
  if (change === "update") {
    // Subjects that the operator has added stay.
    const subjects = [...new Set([...wanted.subjects, ...config.subjects])];
    return opened((await manager.streams.update(name, { ...wanted, subjects })).config, undefined);
  }
  const difference = `stream ${name} has settings that cannot be changed, such as its storage (${config.storage})`;
  if (!mayReplace) return opened(config, `${difference}: it is used as it is`);
  await manager.streams.delete(name);
  return create(manager, request, `${difference}: it was replaced by a new one without its messages`);
}

async function create(
  manager: JetStreamManager,
  request: OpenStreamRequest,
  notice: string | undefined,
): Promise<OpenedStream> {
  const { history, prefix, vhost } = request;
  const name = toStreamName(prefix, history.name, vhost);
  const wanted = createStreamConfig(prefix, vhost, history, name);
  try {
    const { config } = await manager.streams.add(wanted);
    checkSupport(config, wanted);
    return opened(config, notice);
  } catch (cause) {
    const isTaken = cause instanceof NatsError && cause.api_error?.err_code === NAME_IN_USE;
    if (!isTaken) throw cause;
    // Another node has created it meanwhile, with other settings.
    return adapt(manager, { ...request, mayReplace: false }, name);
  }
}

/** Servers ignore settings that they do not know. */
function checkSupport(actual: StreamConfig, wanted: ClassStreamConfig): void {
  if (actual.allow_direct && actual.republish?.src === wanted.republish.src) return;
  throw new CarillonError("failed_precondition", "history requires nats-server 2.9 or newer");
}

function opened({ name, num_replicas: replicas }: StreamConfig, notice: string | undefined): OpenedStream {
  return { name, replicas, notice };
}

/** Names the errors that the operator must resolve. */
function toFault(cause: unknown): unknown {
  if (!(cause instanceof NatsError)) return cause;
  const { api_error: api, code } = cause;
  if (api?.err_code === TEMPORARILY_UNAVAILABLE) return cause;
  if (NO_JETSTREAM.has(code)) {
    const text = "history requires JetStream, which does not answer: start nats-server with --jetstream";
    return new CarillonError("failed_precondition", text, { cause });
  }
  return api === undefined ? cause : new CarillonError("failed_precondition", describeConnectFailure(cause), { cause });
}
