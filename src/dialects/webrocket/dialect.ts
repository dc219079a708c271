import type { Command, Outcome } from "../../commands/command.js";
import type { Notice } from "../../core/notice.js";
import { toSessionUuid } from "../../core/session-uuid.js";
import type { Conversation, Dialect, OpenRequest, Received, Texts } from "../dialect.js";
import { decodeWebrocketFrame } from "./decode.js";
import {
  closedText,
  connectedText,
  subscribedTexts,
  unsubscribedText,
  webrocketEncoding,
  webrocketNoticeText,
} from "./encode.js";
import { toWebrocketCode, webrocketErrorText } from "./errors.js";

/** WebRocket's frontend protocol (the X rules). */
export class WebrocketDialect implements Dialect {
  readonly name = "webrocket";
  readonly authentication = "later";
  readonly openedOnly = true;

  open({ connectionId }: OpenRequest): Conversation {
    return new WebrocketConversation(toSessionUuid(connectionId));
  }
}

/** Protocol state of one client: whether it has authenticated, and its user. */
class WebrocketConversation implements Conversation {
  readonly encoding = webrocketEncoding;
  readonly greeting: string;
  readonly pingText = '{":ping":{}}';
  readonly #sid: string;
  #authenticated = false;
  #uid = "";

  constructor(sid: string) {
    this.#sid = sid;
    this.greeting = connectedText(sid);
  }

  receive(text: string): Received {
    const decoded = decodeWebrocketFrame(text);
    if (!decoded.ok)
      return { kind: decoded.malformed ? "malformed" : "refused", answer: webrocketErrorText(decoded.code) };
    const { command, event } = decoded;
    if (triggersWorker(command) && !this.#authenticated) return { kind: "refused", answer: webrocketErrorText(403) };
    return {
      kind: "command",
      command: command.kind === "authenticate" ? { ...command, switchUser: this.#authenticated } : command,
      answer: (outcome) => this.#answer(event, command, outcome),
    };
  }

  noticeText(notice: Notice): Texts {
    return webrocketNoticeText(notice, this.#uid);
  }

  #answer(event: string, command: Command, outcome: Outcome): Texts {
    if (!outcome.ok)
      return hasNoAnswer(command, outcome) ? undefined : webrocketErrorText(toWebrocketCode(event, outcome.error));
    switch (command.kind) {
      case "authenticate":
        this.#authenticated = true;
        this.#uid = outcome.result?.kind === "identified" ? (outcome.result.user ?? "") : "";
        return '{":authenticated":{}}';
      case "join":
        return subscribedTexts(command, this.#uid, outcome);
      case "leave":
        return command.topics.map(unsubscribedText);
      case "close":
        return closedText(this.#sid);
      case "publish":
      case "trigger":
      case "idle":
      case "call":
      case "presence":
      case "history":
        break;
    }
    return undefined;
  }
}

/** Returns whether a command triggers a worker, which requires authentication. */
function triggersWorker(command: Command): boolean {
  return command.kind === "trigger" || (command.kind === "publish" && command.trigger !== "");
}

/** Returns whether a failed command gets no answer: a repeated join, or a heartbeat. */
function hasNoAnswer(command: Command, { error }: Outcome & { readonly ok: false }): boolean {
  return command.kind === "idle" || (command.kind === "join" && error.code === "already_exists");
}
