import { startNode } from "../../support/nodes/node.js";

const READ_ONLY = ["/healthz", "/readyz", "/metrics", "/", "/page.js", "/try/webrocket"];

test.each(READ_ONLY)("L8: %s answers GET and HEAD, and refuses other methods", async (path) => {
  const node = await startNode();
  const head = await fetch(node.http + path, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const response = await fetch(node.http + path, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    const message = `method ${method} not allowed; allowed: GET, HEAD`;
    expect(await response.json()).toEqual({ code: "unimplemented", message });
  }
});

test.each([
  ["/broadcaster/health", "POST", "GET, HEAD"],
  ["/broadcaster/publish", "GET", "POST, OPTIONS"],
  ["/api/v1/connections/", "PUT", "GET, POST"],
  ["/api/v1/tokens/", "GET", "POST"],
  ["/api/v1/messages/", "DELETE", "POST"],
  ["/socket.io/?EIO=4&transport=polling", "PUT", "GET, POST, OPTIONS"],
  ["/ws", "DELETE", "GET"],
])("L8: %s names the allowed methods when it refuses %s", async (path, method, allow) => {
  const node = await startNode();
  const response = await fetch(node.http + path, { method });
  expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
  expect(await response.text()).toContain(method);
});

test("L8: names the allowed methods of WebRocket's admin interface", async () => {
  const cookie = "a cookie of the admin interface";
  const node = await startNode({ webrocket: { admin: { listen: "127.0.0.1:0", cookie } }, vhosts: { "/shop": {} } });
  const headers = { "x-webrocket-cookie": cookie };
  for (const [path, allow] of [
    ["/", "GET, DELETE"],
    ["/shop", "POST, GET, DELETE"],
    ["/shop/token", "PUT"],
    ["/shop/channels", "GET, DELETE"],
    ["/shop/channels/room", "POST, GET, DELETE"],
    ["/shop/workers", "GET"],
  ]) {
    const response = await fetch(`${node.carillon.addresses?.webrocketAdmin}${path}`, { method: "PATCH", headers });
    expect([path, response.status, response.headers.get("allow")]).toEqual([path, 405, allow]);
    expect(await response.json()).toEqual({ error: `method not allowed; allowed: ${allow}` });
  }
});
