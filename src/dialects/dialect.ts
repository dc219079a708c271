import type { Command, Outcome } from "../commands/command.js";
import type { Message } from "../core/message.js";
import type { Notice, PresenceNews } from "../core/notice.js";

/**
 * One client protocol. A dialect turns wire text into commands, and messages and answers into wire text; it knows
 * nothing of sockets, brokers or other dialects. Every dialect passes test/contract/dialect.ts.
 */
export interface Dialect {
  /** As configuration, logs and metrics call it. */
  readonly name: string;
  /** How its clients authenticate. */
  readonly entry: DialectEntry;
  /** Largest frame of a client in bytes, given the node's limit. Default: that limit. A larger frame closes the connection. */
  readonly frameBytes?: (limit: number) => number;
  /** Whether its clients can use only channels that were opened, even where the vhost does not demand it. */
  readonly openedOnly?: boolean;
  /** Begins a conversation with a client that has connected. */
  open(request: OpenRequest): Conversation;
}

/**
 * `credential`: by a token of the upgrade, in one of the places that the vhost allows (C1) or in the path. `guest`: the client
 * connects without a token and presents it later.
 */
export type DialectEntry = "credential" | "guest";

/** The request that a client has connected with. */
export interface OpenRequest {
  readonly query: URLSearchParams;
  /** The session's id, unique in the cluster. */
  readonly connectionId: string;
}

/** State of one connection's protocol between frames. */
export interface Conversation {
  readonly encoding: MessageEncoding;
  /** First frame to the client; undefined for none. */
  readonly greeting?: string | undefined;
  /** Frame that is sent with each WebSocket ping; undefined for none. */
  readonly pingText?: string | undefined;
  /** Takes one frame of the client. Never throws. */
  receive(text: string): Received;
  /** Tells the client what was done on its behalf; undefined where the protocol has no words for it. */
  noticeText(notice: Notice): Texts;
}

/** Frames to send, in order; undefined for none. */
export type Texts = string | readonly string[] | undefined;

/** Writes messages. Conversations with the same format share one object, so that their recipients share bytes. */
export interface MessageEncoding {
  /** Prepares the text that all messages of a topic share. */
  textMaker(topic: string): (message: Message) => string;
  /** Whether its texts hold {@link COUNT} once, in the place of the connection's number of messages, from 1. */
  readonly counted?: boolean;
  /** Tells a client how many messages of a topic it has missed; undefined where the protocol has no words for it. */
  laggedText(topic: string, missed: number): string | undefined;
  /** Tells a client that follows presence who has come and gone; undefined where the protocol has no words for it. */
  presenceText(news: PresenceNews): Texts;
}

/**
 * Placeholder for the connection's count in a message's text; all connections share the text before and after it. JSON has to
 * escape this character, so no client's text can contain it.
 */
export const COUNT = "\0";

export type Received =
  | {
      readonly kind: "command";
      readonly command: Command;
      /** The answer's wire text; undefined where the protocol has none. */
      readonly answer: (outcome: Outcome) => Texts;
    }
  | {
      /** A command that cannot be carried out as it is written. It changes nothing. */
      readonly kind: "refused";
      readonly answer: Texts;
    }
  | {
      /** A frame that is not a command. Too many of them in a row end the connection. */
      readonly kind: "malformed";
      readonly answer: Texts;
    };
