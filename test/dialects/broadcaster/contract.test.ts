import { join } from "node:path";
import { BroadcasterDialect } from "../../../src/dialects/broadcaster/dialect.js";
import { dialectContract } from "../../contract/dialect.js";
import { SECRET, token } from "./client.js";

dialectContract("broadcaster", {
  dialect: new BroadcasterDialect(),
  transcripts: join(__dirname, "transcripts"),
  speech: {
    config: { vhosts: { "/": { broadcaster: { secret: SECRET } } } },
    path: () => "/broadcaster/websocket",
    words: async () => ({
      eve: await token(),
      reader: await token({ scope: ["subscribe"] }),
      writer: await token({ scope: ["publish"] }),
      re: await token({ authorizedChannels: ["re:a", "*"] }),
      nobody: await token({ sub: "" }),
      nowhere: await token({ authorizedChannels: [] }),
      expired: await token({ exp: 1 }),
      foreign: await token({ aud: "native" }),
    }),
    sentinel: { send: '{"id":999,"method":"heartbeat"}', answer: /^\{"requestId":999,"result":\{"timestamp":/ },
    mask: (text, like) => {
      const known = like.includes("<id>") ? text.replaceAll(/"id":"[\da-f]{12}-[\da-z]+"/g, '"id":"<id>"') : text;
      return known.replace(/"subscriptionId":"[\da-f]{12}\.[\da-z]+"/, '"subscriptionId":"<connection>"');
    },
  },
  variants: [""],
  commands: [
    '{"id":1,"method":"auth","params":{"token":"e30.e30.c"}}',
    '{"id":2,"method":"subscribe","params":{"channel":"c"}}',
    '{"id":3,"method":"unsubscribe","params":{"channel":"chat:1"}}',
    '{"id":4,"method":"publish","params":{"channel":"c","event":"e","payload":{"a":[1,{"b":"\\u0063"}]}}}',
    '{"id":0,"method":"heartbeat"}',
  ],
  readMessage: (text) => {
    const frame = JSON.parse(text.replace('"seq":\0', '"seq":1')) as { readonly params: Broadcast };
    const { channel, encoding, payload } = frame.params;
    if (encoding === "base64") return { topic: channel, payload: Buffer.from(String(payload), "base64") };
    return { topic: channel, payload: Buffer.from(JSON.stringify(payload)) };
  },
  expectedPayload: ({ payload }) => {
    const text = Buffer.from(payload).toString("utf8");
    return Buffer.from(text).equals(payload) ? Buffer.from(JSON.stringify(valueOf(text))) : payload;
  },
});

interface Broadcast {
  readonly channel: string;
  readonly payload: unknown;
  readonly encoding?: string;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
