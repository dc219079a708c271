import type { Notice } from "../../core/notice.js";
import type { Conversation, Dialect, Received, Texts } from "../dialect.js";
import { decodeRootsocketFrame, EVENT_BYTES } from "./decode.js";
import { noticeTexts, PING, rootsocketEncoding } from "./encode.js";

/** RootSocket's events, on `/api/v1/ws/TOKEN/` (the S rules). */
export class RootsocketDialect implements Dialect {
  readonly name = "rootsocket";
  readonly authentication = "upgrade";

  /** Allows frames larger than the largest event, so that a larger event is refused without closing the connection. */
  frameBytes(limit: number): number {
    return limit < EVENT_BYTES ? limit : Math.max(limit, 4 * EVENT_BYTES);
  }

  open(): Conversation {
    return conversation;
  }
}

/** Stateless conversation, which serves all connections. */
const conversation: Conversation = {
  encoding: rootsocketEncoding,
  pingText: PING,
  receive: (text: string): Received => decodeRootsocketFrame(text),
  noticeText: (notice: Notice): Texts => noticeTexts(notice),
};
