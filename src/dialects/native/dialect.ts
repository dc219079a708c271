import type { Notice } from "../../core/notice.js";
import type { Conversation, Dialect, OpenRequest, Received } from "../dialect.js";
import { decode } from "./decode.js";
import { malformedText, messageEncoding, messageEncodingWithMetadata, noticeText } from "./encode.js";

/** RoadRunner's websockets protocol on `/ws`, with what Carillon adds for clients that ask (the W rules). */
export class NativeDialect implements Dialect {
  readonly name = "native";
  readonly #malformedFrames: number;

  /** @param malformedFrames - so many frames in a row that are no command end the connection */
  constructor(malformedFrames: number) {
    this.#malformedFrames = malformedFrames;
  }

  open({ query }: OpenRequest): Conversation {
    return new NativeConversation(query.get("meta") === "1", this.#malformedFrames);
  }
}

class NativeConversation implements Conversation {
  readonly encoding;
  readonly #limit: number;
  #malformedInARow = 0;

  constructor(metadata: boolean, limit: number) {
    this.encoding = metadata ? messageEncodingWithMetadata : messageEncoding;
    this.#limit = limit;
  }

  receive(text: string): Received {
    const decoded = decode(text);
    if (decoded.ok) {
      this.#malformedInARow = 0;
      return decoded.received;
    }
    this.#malformedInARow += 1;
    return {
      kind: "malformed",
      answer: malformedText(decoded.why),
      close: this.#malformedInARow >= this.#limit,
    };
  }

  noticeText(notice: Notice): string {
    return noticeText(notice);
  }
}
