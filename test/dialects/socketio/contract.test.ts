import { join } from "node:path";
import { SocketIoDialect } from "../../../src/dialects/socketio/dialect.js";
import { dialectContract } from "../../contract/dialect.js";
import { CONFIG, tokenFor } from "./support.js";

dialectContract("socketio", {
  dialect: new SocketIoDialect(),
  transcripts: join(__dirname, "transcripts"),
  speech: {
    config: CONFIG,
    path: () => "/socket.io/?EIO=4&transport=websocket",
    words: async () => ({
      eve: await tokenFor("eve"),
      bob: await tokenFor("bob"),
      expired: await tokenFor("eve", { exp: 1 }),
      mute: await tokenFor("mute", { permissions: {} }),
    }),
    sentinel: { send: '42999["join",{"topics":["sentinel"]}]', answer: /^43999\[\{"ok":true\}\]$/ },
    mask: (text) =>
      text
        .replace(/"sid":"[^"]+"/, '"sid":"<sid>"')
        // Test nodes ping once an hour. The transcripts show the default.
        .replace('"pingInterval":3600000', '"pingInterval":25000')
        .replace(/"room":"[\da-f]{12}\.[\da-z]+_auth"/, '"room":"<sid>_auth"'),
  },
  variants: [""],
  commands: [
    '["request_elevation",{"token":"e30.e30.c"}]',
    '["spectate",{"guild_id":"42","include_logs":true,"_id":[1]}]',
    '["spectate",42]',
    '["join",{"topics":["foo","foo2"]}]',
    '["leave","{\\"topics\\":[\\"foo\\"]}"]',
    '["pool_request",{"_id":7,"q":{"_placeholder":true,"num":0}}]',
  ],
  readMessage: (text) => {
    const [packet = "", attachment] = text.split("\x1e");
    if (attachment !== undefined) return { payload: Buffer.from(attachment.slice(1), "base64") };
    const [, value] = JSON.parse(packet.slice(2)) as [string, unknown];
    return { payload: Buffer.from(JSON.stringify(value)) };
  },
  expectedPayload: ({ payload }) => {
    const text = Buffer.from(payload).toString("utf8");
    return Buffer.from(text).equals(payload) ? Buffer.from(JSON.stringify(valueOf(text))) : payload;
  },
});

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
