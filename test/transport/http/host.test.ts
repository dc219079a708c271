import { NativeDialect } from "../../../src/dialects/native/dialect.js";
import { vhostPaths } from "../../../src/dialects/routes.js";
import { createLoopbackHostCheck } from "../../../src/transport/http/host.js";
import { createOriginCheck } from "../../../src/transport/http/origin.js";

const allowed = ["https://app.example.com", "https://*.shop.example", "http://localhost:*"];
const hostAllowed = createLoopbackHostCheck(createOriginCheck({ allowed, sameOrigin: false }));

test.each([
  undefined,
  "localhost",
  "localhost:8080",
  "LOCALHOST:8080",
  "app.localhost:8080",
  "127.0.0.1:8080",
  "127.0.0.1",
  "192.168.1.2:8080",
  "[::1]:8080",
  "[::1]",
  "[::ffff:127.0.0.1]:8080",
  "carillon:8080",
  "test",
  "app.example.com",
  "App.Example.com",
  "eu.shop.example",
])("L11: allows Host %s on a loopback address", (host) => {
  expect(hostAllowed(host)).toBe(true);
});

test.each([
  "evil.example",
  "evil.example:8080",
  "evil.example.",
  "localhost.evil.example",
  "127.0.0.1.evil.example:8080",
  "evil.example:127.0.0.1",
  "app.example.com.evil.example",
  "example.com",
  "evil.example:80.localhost",
  "localhost:80@evil.example",
  "evil.example/.localhost",
  "user@localhost",
])("L11: refuses Host %s on a loopback address", (host) => {
  expect(hostAllowed(host)).toBe(false);
});

test("L1, L11: allows every Host when every origin is allowed", () => {
  expect(createLoopbackHostCheck(createOriginCheck({ allowed: ["*"], sameOrigin: false }))("evil.example")).toBe(true);
});

test.each([
  ["/ws", "/"],
  ["/ws/shop", "/shop"],
  ["/ws/shop/eu", "/shop/eu"],
  ["/ws/", undefined],
  ["/ws/shop/", undefined],
  ["/ws//", undefined],
  ["/ws//shop", undefined],
  ["/wsshop", undefined],
  ["/ws/unknown", undefined],
  ["/ws/%73hop", undefined],
  ["/", undefined],
  ["/other", undefined],
])("maps the path %s to the vhost %s", (path, vhost) => {
  const dialect = new NativeDialect();
  const routeAt = vhostPaths("/ws", dialect, (name) => ["/", "/shop", "/shop/eu"].includes(name));
  expect(routeAt(path)).toEqual(vhost === undefined ? undefined : { dialect, vhost });
});
