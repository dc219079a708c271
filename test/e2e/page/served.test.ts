import { startNode } from "../../support/nodes/node.js";

const PAGES = ["/", "/try/broadcaster", "/try/rootsocket", "/try/webrocket", "/try/socketio"];
const FILES = ["/page.css", "/page.js", "/connection.js", "/dialect.js", "/webrocket.js", "/bell.svg"];

test("serves the page on loopback, with a policy that blocks foreign content", async () => {
  const node = await startNode();
  for (const path of [...PAGES, ...FILES]) {
    const response = await fetch(node.http + path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    const body = await response.text();
    expect(Buffer.byteLength(body)).toBe(Number(response.headers.get("content-length")));
    expect(body).not.toMatch(/(?:src|href|from|url)\W{1,3}https?:/);
  }
});

test("allows only GET and HEAD for the page", async () => {
  const node = await startNode();
  const head = await fetch(`${node.http}/`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  expect((await fetch(`${node.http}/`, { method: "POST", body: "x" })).status).toBe(405);
});

test("does not serve the page with page: off", async () => {
  const node = await startNode({ page: "off" });
  for (const path of [...PAGES, ...FILES]) expect((await fetch(node.http + path)).status).toBe(404);
  expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
});

test("serves the page on addresses other than loopback only with page: on", async () => {
  const http = "0.0.0.0:0";
  const quiet = await startNode({ http, insecure: true });
  expect((await fetch(onLoopback(quiet.http))).status).toBe(404);
  const open = await startNode({ http, insecure: true, page: "on" });
  expect((await fetch(onLoopback(open.http))).status).toBe(200);
});

test("serves the page behind a proxy on the same machine only with page: on", async () => {
  const proxies = { trusted_proxies: ["127.0.0.1"] };
  const quiet = await startNode(proxies);
  expect((await fetch(`${quiet.http}/`)).status).toBe(404);
  const open = await startNode({ ...proxies, page: "on" });
  expect((await fetch(`${open.http}/`)).status).toBe(200);
});

function onLoopback(http: string): string {
  return http.replace("0.0.0.0", "127.0.0.1");
}
