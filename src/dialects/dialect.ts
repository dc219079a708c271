import type { Command, Outcome } from "../commands/command.js";
import type { Config } from "../config/schema.js";
import type { Message } from "../core/message.js";
import type { Notice, PresenceNews } from "../core/notice.js";

/**
 * One client protocol. A dialect turns wire text into commands, and messages and answers into wire text; it knows
 * nothing of sockets, brokers or other dialects. Every dialect passes test/contract/dialect.ts.
 */
export interface Dialect {
  readonly name: DialectName;
  /** How its clients say who they are. */
  readonly entry: DialectEntry;
  /** Largest frame of a client, in bytes, where the node's limit is so many; undefined: that. Beyond it the connection is closed. */
  readonly frameBytes?: (limit: number) => number;
  /** Whether the channels that its clients use have to be opened before, whatever the vhost says of others. */
  readonly openedOnly?: boolean;
  /** Begins a conversation with a client that has connected. */
  open(request: OpenRequest): Conversation;
}

export type DialectName = Config["dialects"][number];

/**
 * `credential`: by a token of the request that brings it, where the vhost lets it (C1: nobody is asked for one, or a place
 * of the vhost's), or where the path holds one. `guest`: it comes in as nobody, and shows a token inside.
 */
export type DialectEntry = "credential" | "guest";

/** How the client came. */
export interface OpenRequest {
  readonly query: URLSearchParams;
  /** The session's id, unique in the cluster. */
  readonly connectionId: string;
}

/** What one connection's protocol needs to remember between frames. */
export interface Conversation {
  readonly encoding: MessageEncoding;
  /** What the client is told first; undefined for nothing. */
  readonly greeting?: string | undefined;
  /** What asks the client for a sign of life beside the WebSocket's own ping; undefined for nothing. */
  readonly pingText?: string | undefined;
  /** Takes one frame of the client. Never throws, whatever it holds. */
  receive(text: string): Received;
  /** Tells the client what was done on its behalf; undefined where the protocol has no words for it. */
  noticeText(notice: Notice): Texts;
}

/** Frames to be sent, in order; undefined for none. */
export type Texts = string | readonly string[] | undefined;

/** A message as wire text. Conversations that write messages alike share one object: their recipients share bytes. */
export interface MessageEncoding {
  /** What all messages of a topic have in common is worked out here, once. */
  textMaker(topic: string): (message: Message) => string;
  /** Whether its texts hold {@link COUNT}, once: each connection counts what it is sent, from 1. */
  readonly counted?: boolean;
  /** Tells a client that it has missed so many messages of a topic; undefined where clients are not told. */
  laggedText(topic: string, missed: number): string | undefined;
  /** Tells a client that has asked to be told who comes and goes; undefined where the protocol has no words for it. */
  presenceText(news: PresenceNews): Texts;
}

/**
 * Stands in a message's text in the place of the connection's count. All share what is before and behind it. A character that
 * JSON has to escape, so no text of a client's can bring it in.
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
      /** A frame that is no command. Too many of them in a row end the connection. */
      readonly kind: "malformed";
      readonly answer: Texts;
    };
