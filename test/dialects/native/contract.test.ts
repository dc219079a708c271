import { join } from "node:path";
import { NativeDialect } from "../../../src/dialects/native/dialect.js";
import { dialectContract } from "../../contract/dialect.js";
import type { NativeFrame } from "../../support/client.js";

dialectContract("native", {
  dialect: new NativeDialect(),
  transcripts: join(__dirname, "transcripts"),
  variants: ["", "meta=1"],
  commands: [
    '{"command":"join","broker":"memory","topics":["foo","foo2"],"payload":""}',
    '{"command":"leave","broker":"","topics":["foo"],"id":7}',
    '{"command":"publish","topics":["foo"],"payload":{"a":[1,{"b":null}]},"event":"e","id":"x"}',
    '{"command":"call","topics":["name"],"payload":[1],"timeout":500,"id":1}',
    '{"command":"join","topics":["foo"],"group":"g","presence":true,"hidden":false,"id":1}',
    '{"command":"publish","topics":["foo"],"payload":"x","trigger":"name"}',
    '{"command":"presence","topics":["foo"],"id":2}',
    '{"command":"authenticate","payload":"token","id":3}',
  ],
  readMessage: (text) => {
    const { encoding, payload, topic } = JSON.parse(text) as NativeFrame;
    return { topic, payload: Buffer.from(String(payload), encoding === "base64" ? "base64" : "utf8") };
  },
});

test("W4: a message has these members in this order, and nothing else", () => {
  const conversation = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  const message = { id: "m", event: "e", sender: "", time: 0, payload: Buffer.from("a") };
  expect(conversation.encoding.textMaker('"t"')(message)).toBe('{"topic":"\\"t\\"","payload":"a"}');
});

test("W7: frames of any depth are read", () => {
  const conversation = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(conversation.receive(deep).kind).toBe("malformed");
  const received = conversation.receive(`{"command":"publish","topics":["foo"],"payload":${deep},"id":1}`);
  expect(received.kind).toBe("refused");
});
