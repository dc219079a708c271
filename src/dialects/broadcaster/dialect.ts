import type { Command, Outcome, Result } from "../../commands/command.js";
import type { Notice } from "../../core/notice.js";
import { CarillonError } from "../../errors.js";
import { systemClock } from "../../util/system-clock.js";
import type { Conversation, Dialect, OpenRequest, Received, Texts } from "../dialect.js";
import {
  checkChannel,
  decodeBroadcasterFrame,
  type Request,
  type Rights,
  readBroadcasterChannel,
  readRequestedPublication,
  readRights,
  readToken,
} from "./decode.js";
import { broadcasterEncoding, broadcasterErrorText, messageText, resultText, timestamp } from "./encode.js";

/** Clock, in milliseconds since the epoch. */
interface Time {
  now(): number;
}

/** Command of a request, and its answer. */
interface Plan {
  readonly command: Command;
  /** JSON text of the result. */
  readonly result: (result: Result | undefined) => string;
  /** Replaces a refusal; default: the refusal itself. */
  readonly reword?: (error: CarillonError) => CarillonError;
}

/** Broadcaster's protocol on `{base}/websocket` (the B rules). */
export class BroadcasterDialect implements Dialect {
  readonly name = "broadcaster";
  readonly authentication = "later";
  readonly #time: Time;

  constructor(time: Time = systemClock) {
    this.#time = time;
  }

  open({ connectionId }: OpenRequest): Conversation {
    return new BroadcasterConversation(connectionId, this.#time);
  }
}

class BroadcasterConversation implements Conversation {
  readonly encoding = broadcasterEncoding;
  readonly #connectionId: string;
  readonly #time: Time;
  /** Undefined until the client has authenticated. */
  #rights: Rights | undefined;
  /** Channels that the client has subscribed to itself. Topics that were joined on its behalf are not among them. */
  readonly #subscribed = new Set<string>();

  constructor(connectionId: string, time: Time) {
    this.#connectionId = connectionId;
    this.#time = time;
  }

  receive(text: string): Received {
    const decoded = decodeBroadcasterFrame(text);
    if (!decoded.ok) {
      const error = new CarillonError("invalid_argument", `invalid request: ${decoded.why}`);
      return { kind: "malformed", answer: broadcasterErrorText(decoded.id, error) };
    }
    const { id } = decoded.request;
    try {
      const { command, reword, result } = this.#plan(decoded.request);
      const answer = (outcome: Outcome): string | undefined => {
        if (!outcome.ok) return broadcasterErrorText(id, reword?.(outcome.error) ?? outcome.error);
        const resultJson = result(outcome.result);
        return id === undefined ? undefined : resultText(id, resultJson);
      };
      return { kind: "command", command, answer };
    } catch (cause) {
      return { kind: "refused", answer: broadcasterErrorText(id, CarillonError.from(cause)) };
    }
  }

  /** Reports ended subscriptions as errors without a request. The protocol has no message for other notices. */
  noticeText({ kind, topics }: Notice): Texts {
    if (kind !== "left") return undefined;
    for (const topic of topics) this.#subscribed.delete(topic);
    return topics.map((topic) =>
      broadcasterErrorText(
        undefined,
        new CarillonError("permission_denied", `subscription to channel ${topic} has ended`),
      ),
    );
  }

  /** @throws CarillonError */
  #plan(request: Request): Plan {
    const { method, params } = request;
    switch (method) {
      case "auth":
        return this.#auth(params);
      case "subscribe":
        return this.#subscribe(params);
      case "unsubscribe":
        return this.#unsubscribe(params);
      case "publish":
        return this.#publish(request);
      case "heartbeat":
        return this.#heartbeat();
      default:
        throw new CarillonError("not_found", `method not found: ${method}`);
    }
  }

  #auth(params: unknown): Plan {
    const token = readToken(params);
    if (this.#rights !== undefined) {
      throw new CarillonError("failed_precondition", "connection is already authenticated");
    }
    if (token === "") throw new CarillonError("unauthenticated", "invalid token: empty");
    return {
      command: { kind: "authenticate", token },
      result: () => {
        this.#rights = readRights(token);
        return SUCCESS;
      },
    };
  }

  #subscribe(params: unknown): Plan {
    const channel = readBroadcasterChannel(params);
    const { channels } = this.#inScope("subscribe");
    checkChannel(channel);
    if (!channels.has(channel)) throw new CarillonError("unauthenticated", FOREIGN);
    return {
      command: {
        kind: "join",
        broker: "",
        topics: [channel],
        auth: undefined,
        group: undefined,
        hidden: undefined,
        presence: undefined,
        once: this.#subscribed.has(channel),
      },
      result: () => {
        this.#subscribed.add(channel);
        return JSON.stringify({ subscriptionId: this.#connectionId, timestamp: timestamp(this.#time.now()) });
      },
      reword: (error) =>
        error.code === "already_exists" ? new CarillonError(error.code, SUBSCRIBED, { cause: error }) : error,
    };
  }

  #unsubscribe(params: unknown): Plan {
    const channel = readBroadcasterChannel(params);
    checkChannel(channel);
    return {
      command: { kind: "leave", broker: "", topics: [channel] },
      result: () => {
        this.#subscribed.delete(channel);
        return SUCCESS;
      },
    };
  }

  #publish(request: Request): Plan {
    const { channel, event, payload } = readRequestedPublication(request);
    const { channels } = this.#inScope("publish");
    checkChannel(channel);
    if (!channels.has(channel)) throw new CarillonError("permission_denied", FOREIGN);
    return {
      command: { kind: "publish", broker: "", topics: [channel], payload, event, trigger: "" },
      result: (result) => {
        const { id, time } = result?.kind === "published" ? result : { id: "", time: this.#time.now() };
        return messageText(channel, { id, time, event, payload });
      },
    };
  }

  #heartbeat(): Plan {
    return {
      command: { kind: "idle" },
      result: () => JSON.stringify({ timestamp: timestamp(this.#time.now()) }),
    };
  }

  /** @throws CarillonError unauthenticated, permission_denied */
  #inScope(scope: string): Rights {
    if (this.#rights === undefined) throw new CarillonError("unauthenticated", "authentication required");
    if (!this.#rights.scope.has(scope)) throw new CarillonError("permission_denied", `scope required: ${scope}`);
    return this.#rights;
  }
}

const SUCCESS = '{"success":true}';
const FOREIGN = "user not authorized to access this channel";
const SUBSCRIBED = "connection already subscribed to channel";
