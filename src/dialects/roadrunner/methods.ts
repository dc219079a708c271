import type { PublicationDraft, Source } from "../../core/publishing/publication-draft.js";
import type { Publisher } from "../../core/publishing/publisher.js";
import { CarillonError } from "../../errors.js";
import { undecodable } from "../../rpc/decode.js";
import { broadcastCodec } from "../../rpc/services/publish/broadcast-codec.js";
import {
  decodeCentrifugeRequest,
  encodeBroadcastResult,
  encodePublishResult,
} from "../../rpc/services/publish/centrifuge-codec.js";
import { toDrafts } from "../../rpc/services/publish/publish-drafts.js";
import type { PublishRequest } from "../../rpc/services/publish/publish-request.js";
import { packageVersion } from "../../util/package-root.js";
import type { StartOrder } from "../../util/start-order.js";
import { findHistoryAhead } from "../find-history-ahead.js";
import type { CodecName } from "./frame.js";

/** Receives the duration of each publish until its answer, in seconds. */
type OnPublished = (seconds: number) => void;

export interface MethodContext {
  readonly publisher: Pick<Publisher, "accept" | "historyOf" | "publish">;
  /** Order of the publishes of the connection (O1). */
  readonly order: StartOrder;
  /** @throws CarillonError not_found, unavailable: the vhost does not exist (yet) */
  readonly checkVhost: () => void;
  readonly source: Source;
  readonly onPublished: OnPublished;
}

interface Method {
  readonly codec: CodecName;
  /** Starts the publish before it returns, so that publishes of one connection keep their order (O1). */
  readonly run: (body: Uint8Array, context: MethodContext) => Promise<Uint8Array>;
}

const publish: Method = { codec: "protobuf", run: (body, context) => publishRequest(body, context, true) };
const publishAsync: Method = { codec: "protobuf", run: (body, context) => publishRequest(body, context, false) };
const publishing = new Map([
  ["Publish", publish],
  ["PublishAsync", publishAsync],
]);

/** Services that PHP's library looks up before it publishes. */
const PLUGINS = JSON.stringify(["websockets", "broadcast", "centrifuge"]);

const SERVICES: ReadonlyMap<string, ReadonlyMap<string, Method>> = new Map([
  ["broadcast", publishing],
  ["websockets", publishing],
  [
    "centrifuge",
    new Map<string, Method>([
      ["Publish", { codec: "protobuf", run: centrifugePublish }],
      ["Broadcast", { codec: "protobuf", run: centrifugeBroadcast }],
    ]),
  ],
  ["informer", new Map([["List", { codec: "json", run: async () => Buffer.from(PLUGINS) } satisfies Method]])],
  [
    "rpc",
    new Map([
      ["Version", { codec: "json", run: async () => Buffer.from(JSON.stringify(packageVersion)) } satisfies Method],
    ]),
  ],
]);

/**
 * @param name - such as `broadcast.Publish`
 * @throws CarillonError with the error texts of Go's net/rpc, which clients may match
 */
export function findMethod(name: string): Method {
  const dot = name.lastIndexOf(".");
  if (dot === -1) throw new CarillonError("invalid_argument", `rpc: service/method request ill-formed: ${name}`);
  const service = SERVICES.get(name.slice(0, dot));
  if (service === undefined) throw new CarillonError("unimplemented", `rpc: can't find service ${name}`);
  const method = service.get(name.slice(dot + 1));
  if (method === undefined) throw new CarillonError("unimplemented", `rpc: can't find method ${name}`);
  return method;
}

/** Encoded Response of websockets.v1 with `ok = true`, without fields that the published package lacks. */
const OK = Buffer.of(0x08, 0x01);

async function publishRequest(body: Uint8Array, context: MethodContext, confirmed: boolean): Promise<Uint8Array> {
  const { messages } = decoded(() => broadcastCodec.decode(body) as PublishRequest);
  // RoadRunner ignores the command.
  const drafts = toDrafts(messages.map((message) => ({ ...message, command: "" })));
  await send(drafts, context, confirmed);
  return OK;
}

async function centrifugePublish(body: Uint8Array, context: MethodContext): Promise<Uint8Array> {
  const request = decoded(() => decodeCentrifugeRequest(body));
  // The last occurrence of a field that is not repeated counts.
  const channels = request.channels.slice(-1);
  await sendAs({ ...request, channels: channels.length === 0 ? [""] : channels }, "channel", context);
  return encodePublishResult();
}

async function centrifugeBroadcast(body: Uint8Array, context: MethodContext): Promise<Uint8Array> {
  const request = decoded(() => decodeCentrifugeRequest(body));
  await sendAs(request, "channels", context);
  return encodeBroadcastResult(request.channels.length);
}

async function sendAs(
  { b64data, channels, data, idempotencyKey }: ReturnType<typeof decodeCentrifugeRequest>,
  channelField: "channel" | "channels",
  context: MethodContext,
): Promise<void> {
  const payload = b64data === "" ? data : base64(b64data);
  const draft: PublicationDraft = { broker: "", topics: channels, payload, event: "", id: idempotencyKey };
  try {
    // An empty channel is an error here. Only requests of websockets.v1 skip empty topics.
    await send([draft], { ...context, source: { ...context.source, skipsEmptyTopics: false } }, true);
  } catch (cause) {
    const { code, message } = CarillonError.from(cause);
    if (code === "internal") throw cause;
    const text = message
      .replace(/^messages\[0\]\.topics(?:\[(\d+)\])?/, (_, position?: string) =>
        channelField === "channels" && position !== undefined ? `channels[${position}]` : channelField,
      )
      .replace(/^messages\[0\]\.payload/, "data")
      .replace(/^messages\[0\]\.id/, "idempotency_key");
    throw new CarillonError(code, text, { cause });
  }
}

async function send(
  drafts: readonly PublicationDraft[],
  { checkVhost, onPublished, order, publisher, source }: MethodContext,
  confirmed: boolean,
): Promise<void> {
  const begin = performance.now();
  checkVhost();
  await order.run(
    () => findHistoryAhead(publisher, source.vhost, drafts),
    async (findHistory) => {
      if (confirmed) await publisher.publish({ ...source, findHistory }, drafts);
      else publisher.accept({ ...source, findHistory }, drafts);
    },
  );
  onPublished((performance.now() - begin) / 1_000);
}

function decoded<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw undecodable(cause);
  }
}

/** @throws CarillonError invalid_argument */
function base64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.replace(/=+$/, "").length % 4 === 1) {
    throw new CarillonError("invalid_argument", "b64data is not base64");
  }
  return Buffer.from(text, "base64");
}
