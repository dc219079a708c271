import { peersOf } from "../support/backends/peers.js";
import { connect } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";

test.each(["grpc", "connect", "connect-json", "grpc-web", "fetch"])(
  "R8: delivers the messages of a stock %s client byte for byte",
  async (name) => {
    const node = await startNode();
    const client = await connect(`${node.ws}/ws`);
    await client.join("orders.42", "größe");
    const peer = peersOf(node).find((candidate) => candidate.name === name);
    const text = Buffer.from('{"a": 1,"b":"ä\\n\\"\u2028\u0000😀"}');
    const binary = Buffer.from([0x00, 0xff, 0xfe, 0x80]);
    const answer = await peer?.publish([
      { command: "publish", broker: "memory", topics: ["orders.42"], payload: text, id: "one" },
      { topics: ["größe", "orders.42"], payload: binary },
      { topics: ["größe"] },
    ]);
    expect(answer).toEqual({
      status: 0,
      message: "",
      receipts: [
        { id: "one", stage: "STAGE_FLUSHED" },
        { id: expect.stringMatching(/./), stage: "STAGE_FLUSHED" },
        { id: expect.stringMatching(/./), stage: "STAGE_FLUSHED" },
      ],
    });
    expect(await client.nextText()).toBe(`{"topic":"orders.42","payload":${JSON.stringify(text.toString())}}`);
    const received = [await client.nextText(), await client.nextText(), await client.nextText()];
    expect(new Set(received)).toEqual(
      new Set([
        '{"topic":"größe","payload":""}',
        '{"topic":"größe","payload":"AP/+gA==","encoding":"base64"}',
        '{"topic":"orders.42","payload":"AP/+gA==","encoding":"base64"}',
      ]),
    );
  },
);
