import type { JoinedReplay, Outcome } from "../../commands/command.js";
import type { Notice } from "../../core/notice.js";
import { CarillonError } from "../../errors.js";
import type { Conversation, Dialect, MessageEncoding, OpenRequest, Received } from "../dialect.js";
import { readStreamQuery } from "./decode.js";
import {
  encodeBegin,
  encodeBeginWithPositions,
  eventEncoding,
  eventEncodingWithMetadata,
  noticeText,
} from "./encode.js";
import { StreamPositions } from "./positions.js";

/** Request for a stream. */
export interface EventsRequest extends OpenRequest {
  /** Header Last-Event-ID; undefined for none. */
  readonly lastEventId?: string | undefined;
}

/** Server-sent events (the V rules): a client joins with the query of its request, and then only receives. */
export class EventsDialect implements Dialect {
  readonly name = "events";
  readonly authentication = "upgrade";

  open(request: EventsRequest): EventsConversation {
    return new EventsConversation(request);
  }
}

/** Protocol state of one stream. */
export class EventsConversation implements Conversation {
  readonly encoding: MessageEncoding;
  readonly #lastEventId: string | undefined;
  /** Whether the client keeps the position of each topic instead of ids. */
  readonly #hasPositions: boolean;
  #positions = new StreamPositions([]);

  constructor({ lastEventId, query }: EventsRequest) {
    this.encoding = query.get("meta") === "1" ? eventEncodingWithMetadata : eventEncoding;
    this.#lastEventId = lastEventId;
    this.#hasPositions = query.has("recover");
  }

  /** Positions of the topics of the query that has been received. */
  get positions(): StreamPositions {
    return this.#positions;
  }

  /**
   * Decodes the query of the request.
   * @returns the join, whose answer is the beginning of the stream; or the reason why the query is invalid, in plain text
   */
  receive(text: string): Received {
    try {
      const command = readStreamQuery(text, this.#lastEventId);
      this.#positions = new StreamPositions(command.topics);
      const { latest, recover } = command.replay;
      const answer = (outcome: Outcome): string | undefined => {
        if (!outcome.ok) return undefined;
        const replays =
          (outcome.result?.kind === "joined" && outcome.result.replays) || new Map<string, JoinedReplay>();
        const begin = this.#positions.begin(replays, recover, latest !== undefined);
        return this.#hasPositions ? encodeBeginWithPositions(begin.id, replays) : encodeBegin(begin);
      };
      return { kind: "command", command, answer };
    } catch (cause) {
      return { kind: "refused", answer: CarillonError.from(cause).message };
    }
  }

  noticeText(notice: Notice): string | undefined {
    return noticeText(notice);
  }
}
