import type { Outcome } from "../../../src/commands/command.js";
import { pathPrefix, z } from "../../../src/config/schema-builder.js";
import type { Notice } from "../../../src/core/notice.js";
import type { Conversation, Dialect, MessageEncoding, Received } from "../../../src/dialects/dialect.js";
import { defineDialect } from "../../../src/dialects/module.js";
import { vhostPaths } from "../../../src/dialects/routes.js";

/**
 * A dialect of one-line frames: `+TOPIC` joins, and `!TOPIC TEXT` publishes. A message is sent as `TOPIC TEXT`, an answer as `ok` or
 * as an error's code.
 */
class LinesDialect implements Dialect {
  readonly name = "lines";
  readonly authentication = "later";

  open(): Conversation {
    return conversation;
  }
}

const encoding: MessageEncoding = {
  topicText: (topic) => topic,
  text: ({ payload }, topic) => `${topic} ${Buffer.from(payload).toString("utf8")}`,
  laggedText: () => undefined,
  presenceText: () => undefined,
};

const conversation: Conversation = {
  encoding,
  receive: decodeLine,
  noticeText: ({ topics }: Notice) => topics.map((topic) => `-${topic}`),
};

function answer(outcome: Outcome): string {
  return outcome.ok ? "ok" : outcome.error.code;
}

function decodeLine(text: string): Received {
  const [, sign, topic = "", payload = ""] = /^([+!])(\S+)(?: (.*))?$/.exec(text) ?? [];
  if (sign === undefined) return { kind: "malformed", answer: "malformed" };
  const target = { broker: "", topics: [topic] };
  if (sign === "!") {
    const command = { kind: "publish", ...target, payload: Buffer.from(payload), event: "", trigger: "" } as const;
    return { kind: "command", command, answer };
  }
  const none = { auth: undefined, group: undefined, hidden: undefined, presence: undefined };
  return { kind: "command", command: { kind: "join", ...target, ...none }, answer };
}

export const lines = defineDialect({
  name: "lines",
  serves: "clients",
  settings: {
    node: z.strictObject({ base: pathPrefix("/lines").describe("Path of Lines.") }).prefault({}),
    vhost: z.strictObject({ publishes: z.boolean().default(false).describe("Let clients publish.") }).prefault({}),
    defaults: {
      node: "# Where Lines is spoken.\nlines:\n  base: /lines\n",
      vhost: "# Whether clients of Lines may publish.\nlines:\n  publishes: false\n",
    },
  },
  createAccess: ({ publishes }, { authenticator }) => ({
    authenticator: {
      terms: { ignoresOpenRules: false, mayJoin: true, mayPublishToJoined: publishes },
      authenticate: (credential) => authenticator.authenticate(credential),
      checkChannelToken: (token, channel) => authenticator.checkChannelToken(token, channel),
    },
  }),
  create: ({ base }, { clients }) => ({ webSockets: vhostPaths(base, new LinesDialect(), clients.exists) }),
});
