import type { Command, Outcome } from "../commands/command.js";
import type { Message } from "../core/message.js";
import type { Notice, PresenceUpdate } from "../core/notice.js";

/**
 * Client protocol. A dialect converts wire text to commands, and messages and answers to wire text. It does not depend on
 * sockets, brokers or other dialects. Every dialect passes test/contract/dialect.ts.
 */
export interface Dialect {
  /** Name in the configuration, logs and metrics. */
  readonly name: string;
  /** When its clients authenticate. */
  readonly authentication: DialectAuthentication;
  /**
   * Returns the largest frame of a client, in bytes, for the node's limit. Default: that limit. A larger frame closes the
   * connection.
   */
  readonly frameBytes?: (limit: number) => number;
  /** Whether its clients can use only opened channels, even if the vhost does not require this. */
  readonly openedOnly?: boolean;
  /** Creates the protocol state for a client that has connected. */
  open(request: OpenRequest): Conversation;
}

/**
 * `upgrade`: the client presents a token in the upgrade, in one of the places that the vhost allows (C1) or in the path.
 * `later`: the client may connect without a token, and present one on the connection.
 */
export type DialectAuthentication = "upgrade" | "later";

/** Request with which a client has connected. */
export interface OpenRequest {
  readonly query: URLSearchParams;
  /** The session's id, unique in the cluster. */
  readonly connectionId: string;
}

/** Protocol state of one connection, from frame to frame. */
export interface Conversation {
  readonly encoding: MessageEncoding;
  /** First frame to the client; undefined for none. */
  readonly greeting?: string | undefined;
  /** Frame that is sent with each WebSocket ping; undefined for none. */
  readonly pingText?: string | undefined;
  /** Decodes one frame from the client. Never throws. */
  receive(text: string): Received;
  /** Encodes a notice of an action on behalf of the client; undefined if the protocol has no message for it. */
  noticeText(notice: Notice): Texts;
}

/** Frames to send, in order; undefined for none. */
export type Texts = string | readonly string[] | undefined;

/** Encodes messages. Conversations with the same format share one object, so that their recipients share the encoded bytes. */
export interface MessageEncoding {
  /** Returns the text that all messages of a topic share, such as its name as JSON. It is made once for many messages. */
  topicText(topic: string): string;
  /** Encodes a message. @param topicText - {@link topicText} of its topic */
  text(message: Message, topicText: string): string;
  /** Whether each text contains {@link COUNT} once, as a placeholder for the connection's message count, which starts at 1. */
  readonly counted?: boolean;
  /** Encodes the number of a topic's messages that a client has missed; undefined if the protocol has no message for it. */
  laggedText(topic: string, missed: number): string | undefined;
  /** Encodes a change of presence for a client that watches it; undefined if the protocol has no message for it. */
  presenceText(update: PresenceUpdate): Texts;
}

/**
 * Placeholder for the connection's count in a message's text. All connections share the text before and after it. JSON
 * escapes this character in strings, so no other part of a text can contain it.
 */
export const COUNT = "\0";

export type Received =
  | {
      readonly kind: "command";
      readonly command: Command;
      /** Encodes an answer; undefined if the protocol has none. */
      readonly answer: (outcome: Outcome) => Texts;
    }
  | {
      /** Invalid command. It has no effect. */
      readonly kind: "refused";
      readonly answer: Texts;
    }
  | {
      /** Frame that is not a command. Too many consecutive ones end the connection. */
      readonly kind: "malformed";
      readonly answer: Texts;
    };
