import { join } from "node:path";
import { NativeDialect } from "../../../src/dialects/native/dialect.js";
import { CarillonError } from "../../../src/errors.js";
import { dialectContract } from "../../contract/dialect.js";
import type { NativeFrame } from "../../support/clients/native.js";

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
    '{"command":"ping","id":1724442618569203714}',
  ],
  readMessage: (text) => {
    const { encoding, payload, topic } = JSON.parse(text) as NativeFrame;
    return { topic, payload: Buffer.from(String(payload), encoding === "base64" ? "base64" : "utf8") };
  },
});

test("W4: writes a message with exactly these members in this order", () => {
  const conversation = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  const message = { id: "m", event: "e", sender: "", time: 0, payload: Buffer.from("a") };
  expect(conversation.encoding.text(message, conversation.encoding.topicText('"t"'))).toBe(
    '{"topic":"\\"t\\"","payload":"a"}',
  );
});

test("W23: counts a ping as a command, and refuses it as one", () => {
  const conversation = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  const received = conversation.receive('{"command":"ping","id":1.0}');
  if (received.kind !== "command") throw new Error("no command");
  expect(received.command).toEqual({ kind: "idle" });
  const error = new CarillonError("resource_exhausted", "too many");
  expect(received.answer({ ok: false, error })).toBe(
    '{"topic":"#ping","payload":[],"id":1.0,"error":{"code":"resource_exhausted","message":"too many"}}',
  );
});

test.each(['{"command":"headers"}', '{"command":"sing"}', '{"command":""}'])("W7: counts %s as a command", (text) => {
  const conversation = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  expect(conversation.receive(text)).toMatchObject({ kind: "command", command: { kind: "idle" } });
});

test("W7: reads frames of any depth", () => {
  const conversation = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(conversation.receive(deep).kind).toBe("malformed");
  const received = conversation.receive(`{"command":"publish","topics":["foo"],"payload":${deep},"id":1}`);
  expect(received).toMatchObject({ kind: "command", command: { payload: Buffer.from(deep) } });
});
