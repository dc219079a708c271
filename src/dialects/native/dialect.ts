import type { Notice } from "../../core/notice.js";
import type { Conversation, Dialect, MessageEncoding, OpenRequest, Received } from "../dialect.js";
import { decodeNativeFrame } from "./decode.js";
import { nativeEncoding, nativeEncodingWithMetadata, nativeNoticeText } from "./encode.js";

/** Websockets protocol of PHP applications on `/ws`, with Carillon's optional additions (the W rules). */
export class NativeDialect implements Dialect {
  readonly name = "native";
  readonly authentication = "upgrade";

  open({ query }: OpenRequest): Conversation {
    return query.get("meta") === "1" ? withMetadata : plain;
  }
}

/** Stateless conversation. One for each format of messages serves all connections. */
class NativeConversation implements Conversation {
  readonly encoding;
  readonly #withMetadata: boolean;

  constructor(encoding: MessageEncoding, withMetadata: boolean) {
    this.encoding = encoding;
    this.#withMetadata = withMetadata;
  }

  receive(text: string): Received {
    return decodeNativeFrame(text, this.#withMetadata);
  }

  noticeText(notice: Notice): string {
    return nativeNoticeText(notice);
  }
}

const plain = new NativeConversation(nativeEncoding, false);
const withMetadata = new NativeConversation(nativeEncodingWithMetadata, true);
