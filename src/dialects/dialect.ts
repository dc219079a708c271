import type { Command, Outcome } from "../commands/command.js";
import type { Message } from "../core/message.js";
import type { Notice, PresenceNews } from "../core/notice.js";

/**
 * One client protocol. A dialect turns wire text into commands, and messages and answers into wire text; it knows
 * nothing of sockets, brokers or other dialects. Every dialect passes test/contract/dialect.ts.
 */
export interface Dialect {
  readonly name: string;
  /** Begins a conversation with a client that has connected. */
  open(request: OpenRequest): Conversation;
}

/** How the client came. */
export interface OpenRequest {
  readonly query: URLSearchParams;
}

/** What one connection's protocol needs to remember between frames. */
export interface Conversation {
  readonly encoding: MessageEncoding;
  /** Takes one frame of the client. Never throws, whatever it holds. */
  receive(text: string): Received;
  /** Tells the client what was done on its behalf; undefined where the protocol has no words for it. */
  noticeText(notice: Notice): string | undefined;
}

/** A message as wire text. Conversations that write messages alike share one object: their recipients share bytes. */
export interface MessageEncoding {
  /** What all messages of a topic have in common is worked out here, once. */
  textMaker(topic: string): (message: Message) => string;
  /** Tells a client that it has missed so many messages of a topic; undefined where clients are not told. */
  laggedText(topic: string, missed: number): string | undefined;
  /** Tells a client that has asked to be told who comes and goes; undefined where the protocol has no words for it. */
  presenceText(news: PresenceNews): string | undefined;
}

export type Received =
  | {
      readonly kind: "command";
      readonly command: Command;
      /** The answer's wire text; undefined where the protocol has none. */
      readonly answer: (outcome: Outcome) => string | undefined;
    }
  | {
      /** A command that cannot be carried out as it is written. It changes nothing. */
      readonly kind: "refused";
      readonly answer: string;
    }
  | {
      /** A frame that is no command. */
      readonly kind: "malformed";
      readonly answer: string;
      /** True when the client has sent too many of them. */
      readonly close: boolean;
    };
