import fc from "fast-check";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { BROADCAST_ACTIONS, BroadcastImplementation } from "../../../src/rpc/services/publish/broadcast.js";
import { plainJson } from "../../../src/rpc/services/publish/plain-json.js";
import { startMounts } from "../../support/backends/mounts.js";
import { cleanUp } from "../../support/clean-up.js";
import { ALL, BothWays, type Headers, LIMIT, PUBLISH, SERVICE } from "../support/both-ways.js";
import { everybody } from "../support/keys.js";
import { jsonBodies, largeJsonBodies, protoBodies } from "../support/publish-bodies.js";
import { TestPublisher } from "../support/publisher.js";

const accepted = fc.constantFrom("gzip", "br", "gzip, deflate, br", "deflate , gzip", "gzip;q=0", "*", "", "identity");

/** At most two of them, so that a single one decides about the way. */
const headers = fc
  .array(
    fc.oneof(
      ...Object.entries({
        "accept-encoding": ["gzip", "br", "gzip, deflate, br"],
        authorization: ["Bearer scoped", "Bearer watcher", "Bearer unknown"],
        "carillon-vhost": ["/", "/other"],
        "connect-protocol-version": ["1", "2"],
        "connect-timeout-ms": ["60000", "1x", ""],
        "content-encoding": ["identity", "gzip", "other"],
        "grpc-timeout": ["1M", "1x", "1n"],
        host: ["localhost", "10.0.0.1:80", "1.2.3.256", "a_b", "[::1]:1", "0x7f.1", ""],
        origin: ["https://allowed.example", "https://other.example"],
        "transfer-encoding": ["chunked"],
        cookie: ["a=b"],
      }).map(([name, values]) => fc.tuple(fc.constant(name), fc.constantFrom(...values))),
    ),
    { maxLength: 2 },
  )
  .map((all): Headers => Object.fromEntries(all));

const methods = fc.constantFrom(`${SERVICE}/Publish`, `${SERVICE}/PublishAsync`);

test.each([
  ["application/json", jsonBodies],
  ["application/proto", protoBodies],
] as const)("R1, O4: answers and publishes any body of %s the same in both ways", async (type, bodies) => {
  const ways = await BothWays.start();
  await fc.assert(
    fc.asyncProperty(methods, accepted, bodies, async (path, encodings, body) => {
      const { direct, universal } = await ways.send({
        path,
        headers: { ...ALL, "content-type": type, "accept-encoding": encodings },
        body,
      });
      expect(direct).toEqual(universal);
    }),
    { numRuns: 100 },
  );
});

test("E8, E10: answers large bodies the same in both ways", async () => {
  const ways = await BothWays.start();
  for (const body of [...largeJsonBodies, Buffer.alloc(LIMIT, " "), Buffer.alloc(LIMIT + 1, " ")]) {
    for (const type of ["application/json", "application/proto"]) {
      const { direct, universal } = await ways.send({ path: PUBLISH, headers: { ...ALL, "content-type": type }, body });
      expect(direct).toEqual(universal);
    }
  }
});

test("R9, R13, A2, E29: answers any headers the same in both ways", async () => {
  const ways = await BothWays.start();
  const many = Array.from({ length: 40 }, (_, position) => ({ topics: ["b"], text: "x", id: `${position}` }));
  const body = fc.constantFrom(
    Buffer.from(JSON.stringify({ messages: [{ topics: ["b"], text: "1", id: "1" }] })),
    Buffer.from(JSON.stringify({ messages: many })),
    Buffer.from('{"messages":[{"topics":["a"],"text":"2"},{"topics":["@a"]}]}'),
    Buffer.from("{"),
  );
  const path = fc.oneof(
    { weight: 5, arbitrary: methods },
    fc.constantFrom(`${PUBLISH}?a=b`, `${PUBLISH}/`, `${SERVICE}/PublishStream`, `${SERVICE}/Unknown`),
  );
  const method = fc.oneof({ weight: 9, arbitrary: fc.constant("POST") }, fc.constantFrom("PUT", "GET", "OPTIONS"));
  await fc.assert(
    fc.asyncProperty(fc.record({ body, method, path, some: headers }), async ({ some, ...rest }) => {
      const { direct, universal } = await ways.send({
        ...rest,
        headers: { ...ALL, "content-type": "application/json", ...some },
      });
      expect(direct).toEqual(universal);
    }),
    { numRuns: 200 },
  );
});

test("R8: serves plain requests without connect-es, and only those", async () => {
  const decoded: string[] = [];
  const published = new TestPublisher();
  const implementation = new BroadcastImplementation(published.publisher, () => {
    // The duration is irrelevant here.
  });
  cleanUp(() => implementation.stop());
  const codec = {
    ...plainJson,
    decode(body: Buffer) {
      decoded.push(body.toString());
      return plainJson.decode(body);
    },
  };
  const broadcast = { service: BroadcastService, implementation, actions: BROADCAST_ACTIONS };
  const mounts = await startMounts({
    services: [{ ...broadcast, plainCodecs: new Map([["application/json", codec]]) }],
    directory: everybody(),
  });
  const post = async (topic: string, others: Headers = {}): Promise<void> => {
    const body = JSON.stringify({ messages: [{ topics: [topic], text: "x" }] });
    const answer = await fetch(`${mounts.http}${PUBLISH}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...others },
      body,
    });
    expect(answer.status).toBe(200);
  };
  await post("plain");
  await post("timeout", { "connect-timeout-ms": "60000" });
  await post("charset", { "content-type": "application/json; charset=utf-8" });
  await post("identity", { "content-encoding": "identity" });
  expect(decoded).toEqual(['{"messages":[{"topics":["plain"],"text":"x"}]}']);
  expect(published.topics).toEqual(["/ plain", "/ timeout", "/ charset", "/ identity"]);
});
