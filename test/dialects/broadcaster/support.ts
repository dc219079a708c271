import type { Command, Outcome, Result } from "../../../src/commands/command.js";
import { BroadcasterDialect } from "../../../src/dialects/broadcaster/dialect.js";
import type { Conversation } from "../../../src/dialects/dialect.js";
import { CarillonError, type ErrorCode } from "../../../src/errors.js";

/** Time of the clock in conversations: 2023-11-14T22:13:20.000Z. */
export const NOW = 1_700_000_000_000;

export const RIGHTS = { authorizedChannels: ["c", "other"], scope: ["subscribe", "publish"] };

export function open(): Conversation {
  const dialect = new BroadcasterDialect({ now: () => NOW });
  return dialect.open({ query: new URLSearchParams(), connectionId: "n.1" });
}

/** Opens a conversation of a client with a token of these claims. The token is not verified, which is not the dialect's task. */
export function authenticated(claims: object = RIGHTS): Conversation {
  const conversation = open();
  const token = `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;
  done(conversation, { id: 1, method: "auth", params: { token } });
  return conversation;
}

/** Returns the command that a frame becomes, and the text of its answer after success. */
export function done(
  conversation: Conversation,
  frame: object,
  result?: Result,
): { command: Command; answer: unknown } {
  return concluded(conversation, frame, result === undefined ? { ok: true } : { ok: true, result });
}

/** Returns the text of the answer after the command has failed. */
export function failed(conversation: Conversation, frame: object, code: ErrorCode, message: string): unknown {
  return concluded(conversation, frame, { ok: false, error: new CarillonError(code, message) }).answer;
}

/** Returns the text that refuses a frame without a command. */
export function refused(conversation: Conversation, frame: object | string): unknown {
  const received = conversation.receive(typeof frame === "string" ? frame : JSON.stringify(frame));
  if (received.kind === "command") throw new Error(`it has become a command: ${received.command.kind}`);
  return received.answer;
}

function concluded(conversation: Conversation, frame: object, outcome: Outcome): { command: Command; answer: unknown } {
  const received = conversation.receive(JSON.stringify(frame));
  if (received.kind !== "command") throw new Error(`refused: ${String(received.answer)}`);
  return { command: received.command, answer: received.answer(outcome) };
}
