import { create, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { RequestSchema, ResponseSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { openConnectBody } from "../../../src/rpc/connect/connect-body.js";
import { parseRpcForm, type RpcForm } from "../../../src/rpc/connect/rpc-form.js";
import type { PlainCodec } from "../../../src/rpc/service.js";
import { plainProto } from "../../../src/rpc/services/publish/broadcast-codec.js";
import { messagePayloads } from "../../../src/rpc/services/publish/json-payload.js";
import { plainJson } from "../../../src/rpc/services/publish/plain-json.js";
import type { PublishRequest } from "../../../src/rpc/services/publish/publish-request.js";
import { ampleBudget } from "../../support/nodes/byte-budget.js";
import { jsonBodies, largeJsonBodies, protoBodies } from "../support/publish-bodies.js";

function plain(request: PublishRequest): unknown {
  return request.messages.map(({ broker, command, event, id, payload, text, topics }) => {
    return { broker, command, event, id, text, topics, payload: Buffer.from(payload).toString("hex") };
  });
}

/** Decodes a request as connect-es does. */
async function decodeGenerated(body: Buffer, form: RpcForm | undefined): Promise<unknown> {
  if (form === undefined) throw new Error("unknown media type");
  const lease = ampleBudget().open({ address: "" });
  const options = { form, lease, limit: 4_194_304, type: RequestSchema, jsonExtension: messagePayloads };
  try {
    const { complete } = await openConnectBody(body, new Headers(), options);
    return plain(complete(create(RequestSchema)) as PublishRequest);
  } catch (cause) {
    return cause;
  }
}

const FORMATS: readonly (readonly [string, PlainCodec, fc.Arbitrary<Buffer>])[] = [
  ["application/json", plainJson, jsonBodies],
  ["application/proto", plainProto, protoBodies],
];

test.each(FORMATS)(
  "R1, E10: decodes plain %s like the generated code, and leaves the rest to it",
  async (type, codec, bodies) => {
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const decoded = codec.decode(body);
        if (decoded === undefined) return;
        expect(plain(decoded as PublishRequest)).toEqual(await decodeGenerated(body, parseRpcForm(type)));
      }),
      { numRuns: 2_000 },
    );
  },
);

test("E10: decodes large plain bodies like the generated code", async () => {
  for (const body of largeJsonBodies) {
    const decoded = plainJson.decode(body);
    if (decoded === undefined) continue;
    expect(plain(decoded as PublishRequest)).toEqual(await decodeGenerated(body, parseRpcForm("application/json")));
  }
});

test("decodes the usual bodies of clients by hand", () => {
  const messages = [{ topics: ["a", "größe"], payload: Buffer.from("\0\xff"), id: "1", event: "e" }];
  const generated = toJsonString(RequestSchema, create(RequestSchema, { messages }));
  for (const body of [
    generated,
    JSON.stringify(JSON.parse(generated), undefined, 2),
    '{"messages": [{"topics": ["a"], "text": "{\\"a\\":\\"gr\\u00f6\\u00dfe\\"}", "command": "publish", "broker": ""}]}',
    '{"messages":[{"topics":["a"],"json":{"a":[1.10,"}\\"]"]}},{"topics":["b"],"json": null }]}',
    '{"messages":[]}',
  ]) {
    expect([body, plainJson.decode(Buffer.from(body))]).toEqual([body, expect.anything()]);
  }
});

test("R7, R18: encodes answers like the generated code", () => {
  const anyText = fc.string({ unit: "grapheme", maxLength: 30 });
  const stored = { position: anyText, duplicate: fc.boolean() };
  const topics = fc.array(fc.record({ topic: anyText, ...stored }), { maxLength: 3 });
  const receipt = fc.record(
    { id: anyText, stage: fc.integer({ min: 0, max: 3 }), ...stored, topics },
    { requiredKeys: ["id", "stage"] },
  );
  fc.assert(
    fc.property(fc.array(receipt, { maxLength: 5 }), (receipts) => {
      const generated = toJsonString(ResponseSchema, create(ResponseSchema, { ok: true, receipts }));
      expect(plainJson.encode({ ok: true, receipts })).toBe(generated);
    }),
    { numRuns: 500 },
  );
});
