import { Networks } from "../../../src/net/networks.js";
import { createLoopbackHostCheck } from "../../../src/transport/http/host.js";
import { createOriginCheck } from "../../../src/transport/http/origin.js";
import { proxyHeader } from "../../support/net/proxy-header.js";
import { TestAdmission } from "../../support/nodes/test-admission.js";
import { connectRaw, upgradeRequest } from "../../support/raw/client.js";

const GET = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

test("L11: answers 421 when Host is the name of another site, and checks upgrades by their origin only", async () => {
  const origins = createOriginCheck({ allowed: ["https://app.example.com"], sameOrigin: false });
  const server = await new TestAdmission({ hostAllowed: createLoopbackHostCheck(origins) }).start();
  const client = await connectRaw(server.url);
  client.send(GET("rebound.example:8080"));
  const { body, status } = await client.response();
  expect(status).toBe(421);
  expect(JSON.parse(body)).toEqual({
    code: "permission_denied",
    message: "host name not allowed: rebound.example:8080; see origins in the configuration",
  });
  for (const host of ["localhost:8080", "127.0.0.1:8080", "app.example.com"]) {
    client.send(GET(host));
    expect((await client.response()).status).toBe(200);
  }
  client.send(upgradeRequest("/ws", { Host: "rebound.example" }));
  expect((await client.response()).status).toBe(101);
});

test("L7: does not wait for unused connections of a proxy when it stops", async () => {
  const server = await new TestAdmission({ proxies: new Networks(["127.0.0.1"]) }).start();
  const silent = await connectRaw(server.url);
  silent.send(proxyHeader());
  const asking = await connectRaw(server.url);
  asking.send(proxyHeader(), GET("test"));
  expect((await asking.response()).status).toBe(200);
  await server.http.close();
  await silent.gone;
});

test("L12: limits the time of a request's head", async () => {
  const server = await new TestAdmission({ times: { head: 100 } }).start();
  const client = await connectRaw(server.url);
  client.send("GET / HTTP/1.1\r\nHost: te");
  expect((await client.response()).status).toBe(408);
  await client.gone;
});
