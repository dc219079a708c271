import type { ServerResponse } from "node:http";
import type { AdmittedClient } from "../../clients/admission.js";
import { Client, type ClientConnection, type ClientFacts } from "../../clients/client.js";
import type { JoinCommand, Outcome } from "../../commands/command.js";
import type { CommandContext } from "../../commands/command-context.js";
import { execute } from "../../commands/execute.js";
import { openClient } from "../../commands/on-behalf.js";
import type { FanOut } from "../../core/fan-out.js";
import type { Notice } from "../../core/notice.js";
import type { OutboxContext } from "../../core/outbox.js";
import type { Clock } from "../../core/ports.js";
import { Session } from "../../core/session.js";
import {
  CarillonError,
  type ChosenClose,
  type CloseReason,
  chooseDelay,
  type ErrorCode,
  HTTP_STATUS,
  toCloseFrame,
} from "../../errors.js";
import { HttpStream } from "../../transport/http/http-stream.js";
import type { HeartbeatWatch, MonitoredConnection } from "../../transport/websocket/heartbeat.js";
import type { EventsConversation } from "./dialect.js";
import { COMMENT, encodeClose } from "./encode.js";
import { ID_FRAME } from "./positions.js";
import { EventStreamSink, getEventStreamEncoding } from "./sink.js";

/** Milliseconds in which a peer must accept the last bytes of an ended stream. */
const END_TIMEOUT = 3_000;

/** Close code of a connection that the client or the network has ended. Streams have no close frames. */
const LOST = 1_006;

/** First private close code; the last three digits of a code from here on may be an HTTP status. */
const FIRST_PRIVATE = 4_000;

const HEADERS = {
  "content-type": "text/event-stream",
  // Proxies must neither keep nor compress the stream, because both delay it.
  "cache-control": "no-cache, no-transform",
  // nginx would buffer it.
  "x-accel-buffering": "no",
  "x-content-type-options": "nosniff",
};

const COMMENT_FRAME = Buffer.from(COMMENT);

/** Dependencies of all streams. */
export interface EventStreamContext {
  readonly commandContext: CommandContext;
  readonly fanOut: FanOut;
  readonly outbox: OutboxContext;
  readonly clock: Clock;
  /** Answers a request whose stream has not begun with a refusal. */
  readonly refuse: (response: ServerResponse, error: CarillonError) => void;
  /** Called when the connection of a stream has ended. */
  readonly onClosed: (stream: EventStream, code: number) => void;
}

/** An admitted request for a stream. */
export interface EventStreamRequest {
  readonly response: ServerResponse;
  readonly conversation: EventsConversation;
  readonly connectionId: string;
  readonly facts: Omit<ClientFacts, "session">;
}

/** Join with which a stream begins. */
export interface StreamJoin {
  readonly command: JoinCommand;
  /** Encodes the beginning of the stream. */
  readonly answer: (outcome: Outcome) => string;
}

/** Client that receives a stream of events. It joins its topics before the response begins, so that a refusal has a status. */
export class EventStream implements ClientConnection, MonitoredConnection {
  readonly client: Client;
  /** Slot of the heartbeat that watches this stream. */
  watch: HeartbeatWatch | undefined;
  /** Streams have no signs of life of the client. A peer that reads nothing is cut by the HTTP listener. */
  readonly alive = true;
  readonly #context: EventStreamContext;
  readonly #conversation: EventsConversation;
  readonly #response: ServerResponse;
  readonly #stream: HttpStream;
  /** Refusal of the join. */
  #refusal: CarillonError | undefined;
  #cancelEnd: (() => void) | undefined;

  constructor({ connectionId, conversation, facts, response }: EventStreamRequest, context: EventStreamContext) {
    this.#context = context;
    this.#conversation = conversation;
    this.#response = response;
    this.#stream = new HttpStream(response);
    const session = new Session({
      id: connectionId,
      vhost: facts.vhost.name,
      encoding: getEventStreamEncoding(conversation.encoding),
      sink: new EventStreamSink(this.#stream, conversation.positions, (reason) => {
        this.#end(reason);
      }),
      outbox: context.outbox,
    });
    this.client = new Client({ session, ...facts }, this);
    response.once("close", () => {
      this.#closed();
    });
  }

  /** Opens the session, and joins its topics. */
  async start(admitted: AdmittedClient, { answer, command }: StreamJoin): Promise<void> {
    const { commandContext } = this.#context;
    const { session } = this.client;
    openClient(this.client, admitted, commandContext);
    await execute(command, this.client, commandContext, (outcome) => {
      if (!session.open) return;
      if (!outcome.ok) this.#refuse(outcome.error);
      else this.#stream.open(HEADERS, Buffer.from(answer(outcome)));
    });
    if (session.open && this.#conversation.positions.isReplaying) this.#context.fanOut.send(session, ID_FRAME);
  }

  notify(notice: Notice): void {
    const text = this.#conversation.noticeText(notice);
    if (text !== undefined && this.client.session.open) {
      this.#context.fanOut.send(this.client.session, Buffer.from(text));
    }
  }

  /** Sends a comment, unless bytes are on their way anyway. */
  ping(): void {
    if (this.#stream.backlog === 0) this.#stream.write(COMMENT_FRAME);
  }

  expire(): void {
    // Never called: the stream counts as alive.
  }

  /** Cuts the connection. */
  cut(): void {
    this.#stream.cut();
  }

  /** Ends a client whose join was refused, with the status as its close code; after the stream has begun, as one whose later topics were refused. */
  #refuse(error: CarillonError): void {
    const { hub } = this.#context.commandContext;
    if (this.#stream.isOpen) {
      hub.remove(this.client.session, "not_joined");
      return;
    }
    const close = { code: FIRST_PRIVATE + HTTP_STATUS[error.code], text: error.message };
    this.#refusal = error;
    hub.remove(this.client.session, close);
  }

  #end(reason: CloseReason | ChosenClose): void {
    const [code, text] = toCloseFrame(reason);
    const retry = typeof reason === "string" || reason.retry === undefined ? undefined : chooseDelay(reason.retry);
    if (!this.#stream.isOpen) {
      const refusal = this.#refusal ?? new CarillonError(toErrorCode(code), text, { retryDelay: retry });
      this.#context.refuse(this.#response, refusal);
      return;
    }
    this.#stream.end(Buffer.from(encodeClose(code, text, retry)));
    this.#cancelEnd = this.#context.clock.after(END_TIMEOUT, () => {
      this.cut();
    });
  }

  #closed(): void {
    this.#cancelEnd?.();
    const { endedFor } = this.client.session;
    const [code, text] = endedFor === undefined ? [LOST, ""] : toCloseFrame(endedFor);
    this.#context.commandContext.clients.remove(this.client, code, text);
    this.#context.onClosed(this, code);
  }
}

function toErrorCode(closeCode: number): ErrorCode {
  return CODES[closeCode] ?? "unavailable";
}

/** Errors for the close codes of sessions that end before their stream begins. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  4401: "unauthenticated",
  4403: "permission_denied",
  4404: "not_found",
};
