import { join } from "node:path";
import { WebrocketDialect } from "../../../src/dialects/webrocket/dialect.js";
import { token } from "../../commands/support.js";
import { dialectContract } from "../../contract/dialect.js";
import { configOf, openChannels, PATH } from "./support.js";

const ALL = { join: ["*"], publish: ["*"], call: ["*"] };

dialectContract("webrocket", {
  dialect: new WebrocketDialect(),
  transcripts: join(__dirname, "transcripts"),
  speech: {
    config: configOf(),
    path: () => PATH,
    words: async (node) => {
      await openChannels(node);
      return {
        eve: await token({ sub: "eve", permissions: ALL, info: { of: "the token" } }),
        adam: await token({ sub: "adam", permissions: ALL }),
        stranger: await token({ sub: "stranger" }),
      };
    },
    sentinel: { send: '{"subscribe":{"channel":""}}', answer: /^\{":error":\{"code":400,/ },
    mask: (text, like) => (like.includes("<sid>") ? text.replaceAll(/"sid":"[\da-f-]{36}"/g, '"sid":"<sid>"') : text),
  },
  variants: [""],
  commands: [
    '{"auth":{"token":"abc"}}',
    '{"subscribe":{"channel":"presence-room","hidden":false,"data":{"name":"Eve","tags":[1,null]}}}',
    '{"unsubscribe":{"channel":"c","data":{"why":"tired"}}}',
    '{"broadcast":{"channel":"c","event":"e","data":{"a":[1,{"b":"\\u0063\\""}]},"trigger":"worker/event"}}',
    '{"trigger":{"event":"worker/event","data":{}}}',
    '{"pong":{"sid":"01234567-89ab-8000-8000-000000000001"}}',
    '{"close":{"why":"done"}}',
  ],
  readMessage: (text) => {
    const [[, data] = []] = Object.entries(JSON.parse(text) as Record<string, { readonly channel: string }>);
    return { topic: data?.channel ?? "", payload: Buffer.from(dataText(data)) };
  },
  expectedPayload: ({ payload }) => Buffer.from(dataText(valueOf(Buffer.from(payload)))),
});

/** Returns the data as text, without the members that Carillon itself sets. */
function dataText(data: object | undefined): string {
  return JSON.stringify(data, (key, value: unknown) => (key === "sid" || key === "channel" ? undefined : value));
}

function valueOf(payload: Buffer): object {
  const text = payload.toString("utf8");
  if (!payload.equals(Buffer.from(text))) return { data: payload.toString("base64"), encoding: "base64" };
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // The value is a string.
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : { data: value };
}
