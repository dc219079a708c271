import type { Outcome } from "../../commands/command.js";
import type { Notice } from "../../core/notice.js";
import { CarillonError, type ChosenClose, type CloseReason, toCloseFrame } from "../../errors.js";
import type { Conversation, Dialect, OpenRequest, Received, Texts } from "../dialect.js";
import {
  echoedId,
  payloadOfEvent,
  payloadWithoutToken,
  readElevationToken,
  readEvent,
  readEventFields,
  readEventTopics,
  readRequestToken,
  readSpectateRequest,
  type SocketIoRequestEvent,
} from "./decode.js";
import { Packets, type SocketIoEventEncoding, socketIoEventEncoding } from "./encode.js";
import { addAnswerFields, endText, failureText, toEventValue } from "./event-values.js";
import type { SocketIoSettings } from "./settings.js";

type CallRule = SocketIoSettings["calls"][number];

/** Connection of a client to a namespace. */
export interface SocketIoRequest extends OpenRequest {
  /** Default: "/". */
  readonly namespace?: string;
  /** Reads the vhost's current settings. */
  readonly settings?: () => SocketIoSettings;
  /** Whether the client has presented a token. */
  readonly elevated?: boolean;
  /** Whether the client's session can be recovered. */
  readonly recoverable?: boolean;
}

/** Group of the spectated topics. Joining a group leaves its previous topics, so a client spectates one id at a time. */
export const SPECTATED = "spectate";

/** Event that tells a client nothing but its offset. */
const OFFSET = "carillon.offset";

const USUAL: SocketIoSettings = { spectate: { topics: ["{id}"], logs: ["{id}_logs"] }, calls: [], recovery: false };

/** Maximum number of namespaces with a cached encoding. */
const MAX_ENCODINGS = 1_000;

/** Commands and messages as Socket.IO's events (the I rules). */
export class SocketIoDialect implements Dialect {
  readonly name = "socketio";
  readonly authentication = "later";
  /** Encodings by namespace, so that all sockets of a namespace share the frames of messages. */
  readonly #encodings = new Map<string, SocketIoEventEncoding>();
  /** Encodings of clients whose sessions can be recovered. */
  readonly #recoverable = new Map<string, SocketIoEventEncoding>();

  open(request: SocketIoRequest): SocketIoConversation {
    const { namespace = "/", recoverable = false } = request;
    return new SocketIoConversation(request, new Packets(namespace), this.#findEncoding(namespace, recoverable));
  }

  #findEncoding(namespace: string, recoverable: boolean): SocketIoEventEncoding {
    const encodings = recoverable ? this.#recoverable : this.#encodings;
    let encoding = encodings.get(namespace);
    if (encoding === undefined) {
      encoding = socketIoEventEncoding(new Packets(namespace), recoverable);
      if (encodings.size >= MAX_ENCODINGS) encodings.clear();
      encodings.set(namespace, encoding);
    }
    return encoding;
  }
}

/** Protocol state of one socket: whether it is elevated, that is, has presented a token. */
export class SocketIoConversation implements Conversation {
  readonly encoding: SocketIoEventEncoding;
  readonly #packets: Packets;
  readonly #room: string;
  readonly #settings: () => SocketIoSettings;
  #elevated: boolean;

  constructor(request: SocketIoRequest, packets: Packets, encoding: SocketIoEventEncoding) {
    const { connectionId, elevated = false, settings = () => USUAL } = request;
    this.encoding = encoding;
    this.#packets = packets;
    this.#room = `${connectionId}_auth`;
    this.#settings = settings;
    this.#elevated = elevated;
  }

  /**
   * @param text - the event, as a JSON list
   * @param acknowledge - id of the requested acknowledgement; undefined for none
   * @param attachments - bytes for which the event contains placeholders
   */
  receive(text: string, acknowledge?: number, attachments: readonly Uint8Array[] = []): Received {
    const request = readEvent(text, attachments);
    if (typeof request === "string") {
      const error = new CarillonError("invalid_argument", request);
      return { kind: "malformed", answer: this.#failed(error, "", undefined, acknowledge) };
    }
    const { event } = request;
    try {
      if (request.problem !== undefined) throw new CarillonError("invalid_argument", request.problem);
      if (event === "request_elevation") return this.#elevate(request, acknowledge);
      if (event === "spectate") return this.#spectate(request, acknowledge);
      if (event === "join" || event === "leave") return this.#joinOrLeave(event, request, acknowledge);
      const rule = this.#settings().calls.find((candidate) => candidate.event === event);
      if (rule !== undefined) return this.#call(rule, request, acknowledge);
      throw new CarillonError("not_found", `unknown event ${JSON.stringify(event)}`);
    } catch (cause) {
      const error = CarillonError.from(cause);
      return { kind: "refused", answer: this.#failed(error, event, echoedId(request), acknowledge) };
    }
  }

  /** Reports an action on behalf of the client, with the event that answers the same request from a client. */
  noticeText({ kind, topics }: Notice): Texts {
    if (kind === "unwatched") return undefined;
    return this.#packets.event(kind === "joined" ? "join" : "leave", { text: JSON.stringify({ topics }) });
  }

  /** Encodes an event with the reason for which the node closes the connection, because Socket.IO itself sends no reason. */
  endText(reason: CloseReason | ChosenClose): string {
    return this.#packets.event("error", { text: endText(...toCloseFrame(reason)) });
  }

  /** Whether the client has presented a token. */
  get elevated(): boolean {
    return this.#elevated;
  }

  /** Encodes the event that tells a client its offset when its topics have changed. */
  offsetText(offset: string): string {
    return this.#packets.event(OFFSET, { text: JSON.stringify(offset) });
  }

  #elevate(request: SocketIoRequestEvent, acknowledge: number | undefined): Received {
    const answer = (outcome: Outcome): string => {
      const text = outcome.ok
        ? JSON.stringify({ success: true, room: this.#room })
        : JSON.stringify({ success: false, room: null, message: outcome.error.message });
      if (acknowledge !== undefined) return this.#packets.acknowledgement(acknowledge, { text });
      return this.#packets.event("request_elevation_return", { text });
    };
    let token: string;
    try {
      token = readElevationToken(request);
    } catch (cause) {
      return { kind: "refused", answer: answer({ ok: false, error: CarillonError.from(cause) }) };
    }
    const onOutcome = (outcome: Outcome): string => {
      if (outcome.ok) this.#elevated = true;
      return answer(outcome);
    };
    return { kind: "command", command: { kind: "authenticate", token }, answer: onOutcome };
  }

  #spectate(request: SocketIoRequestEvent, acknowledge: number | undefined): Received {
    this.#checkElevated();
    const { id, logs } = readSpectateRequest(request);
    const { spectate } = this.#settings();
    const patterns = logs ? [...spectate.topics, ...spectate.logs] : spectate.topics;
    const topics = patterns.map((pattern) => pattern.replace("{id}", () => id));
    const command = {
      kind: "join",
      broker: "",
      topics,
      auth: undefined,
      group: SPECTATED,
      hidden: undefined,
      presence: undefined,
    } as const;
    const idText = echoedId(request);
    return {
      kind: "command",
      command,
      answer: (outcome) =>
        outcome.ok ? this.#done(acknowledge) : this.#failed(outcome.error, request.event, idText, acknowledge),
    };
  }

  #joinOrLeave(kind: "join" | "leave", request: SocketIoRequestEvent, acknowledge: number | undefined): Received {
    const idText = echoedId(request);
    const answer = (outcome: Outcome): Texts => {
      if (outcome.ok) return this.#done(acknowledge);
      if (acknowledge === undefined) return this.#failed(outcome.error, kind, idText, undefined);
      return this.#refusal(outcome.error, kind, idText, acknowledge);
    };
    try {
      const topics = readEventTopics(readEventFields(request));
      if (kind === "leave") return { kind: "command", command: { kind, broker: "", topics }, answer };
      const command = { kind, broker: "", topics, auth: undefined, group: undefined } as const;
      return { kind: "command", command: { ...command, hidden: undefined, presence: undefined }, answer };
    } catch (cause) {
      return { kind: "refused", answer: answer({ ok: false, error: CarillonError.from(cause) }) };
    }
  }

  /** Calls workers. The last answer is sent as the acknowledgement if the client requested one; earlier answers are events. */
  #call(rule: CallRule, request: SocketIoRequestEvent, acknowledge: number | undefined): Received {
    const token = rule.elevated && !this.#elevated ? readRequestToken(request) : undefined;
    if (rule.elevated && token === undefined) this.#checkElevated();
    const { event } = request;
    const { timeout } = rule;
    const id = echoedId(request);
    const payload = token === undefined ? payloadOfEvent(request) : payloadWithoutToken(request);
    return {
      kind: "command",
      command: { kind: "call", event, payload, timeout, token },
      answer: (outcome) => {
        if (!outcome.ok) return this.#failed(outcome.error, event, id, acknowledge);
        if (outcome.result?.kind !== "part") return undefined;
        const { more, payload: part } = outcome.result;
        const value = addAnswerFields(toEventValue(part), { id, finished: !more });
        if (acknowledge !== undefined && !more) return this.#packets.acknowledgement(acknowledge, value);
        return this.#packets.event(rule.answer ?? event, value);
      },
    };
  }

  #checkElevated(): void {
    if (!this.#elevated) throw new CarillonError("unauthenticated", "elevation required: send request_elevation first");
  }

  #done(acknowledge: number | undefined): Texts {
    return acknowledge === undefined ? undefined : this.#packets.acknowledgement(acknowledge, { text: '{"ok":true}' });
  }

  /** Answers with an error: as an event, and as the acknowledgement if the client requested one. */
  #failed(error: CarillonError, context: string, id: string | undefined, acknowledge: number | undefined): Texts {
    const event = this.#packets.event("error", { text: failureText(error, context, id) });
    return acknowledge === undefined ? event : [event, this.#refusal(error, context, id, acknowledge)];
  }

  #refusal(error: CarillonError, context: string, id: string | undefined, acknowledge: number): string {
    const text = `{"ok":false,"error":${failureText(error, context, id)}}`;
    return this.#packets.acknowledgement(acknowledge, { text });
  }
}
