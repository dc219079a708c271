import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { RequestSchema } from "../../gen/websockets/v1/websockets_pb.js";
import { GrpcLoad, PUBLISH_PATH } from "../support/grpc.js";
import { type Attack, names, post, type StallNode, shortTexts } from "./attack.js";

/** Requests of backends. */
export const REQUESTS: readonly Attack[] = [
  {
    name: "a request of 4 MiB of nested JSON",
    run: (node, size) => post(node, `{"messages":${"[".repeat(4_000_000 * size)}`),
  },
  {
    name: "a request of 4 MiB: 250 messages on 1,000 topics each",
    run: (node, size) => {
      const topics = names(1_000);
      return post(node, JSON.stringify({ messages: Array.from({ length: 250 * size }, () => ({ topics })) }));
    },
  },
  {
    name: "a request of 65 messages on 1,000 topics each, the accepted maximum",
    run: (node, size) => {
      const topics = names(1_000);
      return post(node, JSON.stringify({ messages: Array.from({ length: 65 * size }, () => ({ topics })) }));
    },
  },
  {
    name: "a request of 1,000 messages in JSON, the accepted maximum",
    run: (node, size) => {
      const messages = Array.from({ length: 1_000 * size }, () => ({ topics: ["t"] }));
      return post(node, JSON.stringify({ messages }));
    },
  },
  {
    name: "a request of 1,000 messages in protobuf over gRPC",
    run: (node, size) => publish(node, encodeRequest(Array.from({ length: 1_000 * size }, () => ({ topics: ["t"] })))),
  },
  {
    name: "a request of 4 MiB: 100,000 messages",
    run: (node, size) => {
      const messages = Array.from({ length: 100_000 * size }, () => ({ topics: ["t"] }));
      return post(node, JSON.stringify({ messages }));
    },
  },
  {
    name: "a request of 3 payloads of 1 MiB in base64",
    run: (node, size) => {
      const payload = Buffer.alloc(1_048_576 * size, 7).toString("base64");
      return post(node, JSON.stringify({ messages: Array.from({ length: 3 }, () => ({ topics: ["t"], payload })) }));
    },
  },
  {
    name: "a request of 4 MiB: 250,000 topics in JSON",
    run: (node, size) => post(node, JSON.stringify({ messages: [{ topics: names(250_000 * size) }] })),
  },
  {
    name: "a request of 250,000 topics in protobuf over gRPC",
    run: (node, size) => publish(node, encodeRequest([{ topics: names(250_000 * size) }])),
  },
  {
    name: "a request of 4 MiB of 2,000,000 empty topics over gRPC",
    run: (node, size) => publish(node, encodeRequest([{ topics: empty(2_000_000 * size) }])),
  },
  {
    name: "a request of 4 MiB of 2,000,000 empty topics in protobuf over HTTP",
    run: (node, size) => postBinary(node, encodeRequest([{ topics: empty(2_000_000 * size) }])),
  },
  {
    name: "a request of 130,000 empty messages in protobuf over HTTP",
    run: (node, size) => postBinary(node, encodeRequest(Array.from({ length: 130_000 * size }, () => ({})))),
  },
  {
    name: "a request of 16,000 empty messages in protobuf over HTTP, the decoded maximum",
    run: (node, size) => postBinary(node, encodeRequest(Array.from({ length: 16_000 * size }, () => ({})))),
  },
  {
    name: "a request of 130,000 empty messages in JSON",
    run: (node, size) => post(node, JSON.stringify({ messages: Array.from({ length: 130_000 * size }, () => ({})) })),
  },
  {
    name: "a request of 4 MiB of short texts in JSON",
    run: (node, size) =>
      post(node, JSON.stringify({ messages: [{ topics: ["t"], json: shortTexts(600_000 * size) }] })),
  },
  {
    name: "a request of 4 MiB of distinct member names in JSON",
    run: (node, size) => {
      const json = Object.fromEntries(names(250_000 * size, "n").map((name) => [name, 1]));
      return post(node, JSON.stringify({ messages: [{ topics: ["t"], json }] }));
    },
  },
  {
    name: "a request of 4 MiB in JSON: four payloads of records, the accepted maximum",
    run: (node, size) => {
      const json = Array.from({ length: 16_000 * size }, (_, number) => ({
        id: number,
        x: 1,
        name: `item ${number}`,
        text: "x".repeat(17),
      }));
      return post(node, JSON.stringify({ messages: Array.from({ length: 4 }, () => ({ topics: ["t"], json })) }));
    },
  },
  {
    name: "a token's info of 200,000 numbers in JSON",
    run: (node, size) => createToken(node, { list: Array.from({ length: 200_000 * size }, () => 1) }),
  },
  {
    name: "a token's info of 16,000 numbers in JSON, the decoded maximum",
    run: (node, size) => createToken(node, { list: Array.from({ length: 16_000 * size }, () => 1) }),
  },
  {
    name: "a vhost with topic rules of 1,000 small expressions, more than are taken",
    run: (node, size) => createVhost(node, names(1_000 * size, "re:a?b?c?")),
  },
  {
    name: "a vhost with topic rules of 500 small expressions, the most that are taken",
    run: (node, size) => createVhost(node, names(500 * size, "re:")),
  },
  {
    name: "a vhost with topic rules of 11 expressions of 1,000 bytes of alternatives, the most that are taken",
    run: (node, size) => createVhost(node, names(11 * size, `re:(${names(170, "w").join("|")})`)),
  },
  {
    name: "a vhost with topic rules of 3 expressions of Unicode classes, the most that are taken",
    run: (node, size) => createVhost(node, names(3 * size, `re:[${"\\pL".repeat(90)}]`)),
  },
  {
    name: "a vhost with topic rules of 1,000 invalid expressions",
    run: (node, size) => createVhost(node, names(1_000 * size, `re:${"(a?)".repeat(200)}(`)),
  },
  {
    name: "a request of 4 MiB to Broadcaster's REST of distinct member names",
    run: (node, size) => {
      const data = Object.fromEntries(names(250_000 * size, "n").map((name) => [name, 1]));
      return post(node, JSON.stringify({ channel: "t", data }), "broadcaster/publish");
    },
  },
  {
    name: "a request of 4 MiB to Broadcaster's REST of 300,000 numbers, the accepted maximum",
    run: (node, size) =>
      post(
        node,
        JSON.stringify({ channel: "t", data: Array.from({ length: 300_000 * size }, (_, number) => 1e9 + number) }),
        "broadcaster/publish",
      ),
  },
];

/** Creates a vhost that has a topic rule for each pattern. Keys would close the node to the next request. */
async function createVhost(node: StallNode, patterns: readonly string[]): Promise<void> {
  const settings = { topics: patterns.map((match) => ({ match })) };
  await post(
    node,
    JSON.stringify({ path: `/p${patterns.length}`, settings }),
    "carillon.v1.ControlService/CreateVhost",
  );
}

function empty(count: number): string[] {
  return Array.from({ length: Math.ceil(count) }, () => "");
}

type Messages = NonNullable<MessageInitShape<typeof RequestSchema>["messages"]>;

function encodeRequest(messages: Messages): Uint8Array<ArrayBuffer> {
  return toBinary(RequestSchema, create(RequestSchema, { messages }));
}

/** Publishes over gRPC; the request may be refused. */
async function publish({ grpc }: StallNode, request: Uint8Array<ArrayBuffer>): Promise<void> {
  const requests = [Buffer.from(request)];
  const load = new GrpcLoad(grpc);
  await load
    .unary(
      PUBLISH_PATH,
      () => requests.pop(),
      1,
      () => {},
    )
    .catch(() => {});
  load.close();
}

async function postBinary({ port }: StallNode, body: Uint8Array<ArrayBuffer>): Promise<void> {
  const headers = { "content-type": "application/proto" };
  const response = await fetch(`http://127.0.0.1:${port}${PUBLISH_PATH}`, { method: "POST", headers, body });
  await response.arrayBuffer();
}

function createToken(node: StallNode, info: object): Promise<void> {
  return post(node, JSON.stringify({ user: "u", info }), "carillon.v1.TokenService/CreateAccessToken");
}
