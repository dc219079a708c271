import { join } from "node:path";
import { RootsocketDialect } from "../../../src/dialects/rootsocket/dialect.js";
import { dialectContract } from "../../contract/dialect.js";
import { channelToken, connectionToken } from "../../support/clients/rootsocket.js";

dialectContract("rootsocket", {
  dialect: new RootsocketDialect(),
  transcripts: join(__dirname, "transcripts"),
  speech: {
    path: ({ token = "" }) => `/api/v1/ws/${token}/`,
    words: async (node) => ({
      token: await connectionToken(node),
      "token of foo": await channelToken(node, "foo"),
      "token of bar": await channelToken(node, "bar"),
    }),
    sentinel: { send: '{"event":"ping"}', answer: /^\{"event":"pong"\}$/ },
  },
  variants: [""],
  commands: [
    '{"event":"ping"}',
    '{"event":"pong"}',
    '{"event":"subscription-add","data":{"channel":"foo","auth":"x.y.z"}}',
    '{"event":"subscription-remove","data":{"channel":"foo"}}',
    '{"event":"disconnect"}',
    '{"event":"foo","data":{"raw":"text"}}',
    '{"event":"error","data":{"detail":"text","where":"foo"}}',
  ],
  readMessage: (text) => {
    const { data, event } = JSON.parse(text) as {
      readonly event: string;
      readonly data: { readonly raw: string; readonly encoding?: string };
    };
    return { topic: event, payload: Buffer.from(data.raw, data.encoding === "base64" ? "base64" : "utf8") };
  },
});
