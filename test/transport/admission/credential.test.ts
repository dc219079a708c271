import type { IncomingHttpHeaders } from "node:http";
import { type CredentialPlaces, chooseProtocol, readCredential } from "../../../src/transport/admission/credential.js";

const NO_PLACES: CredentialPlaces = { header: false, protocol: false, cookie: "", query: false };
const ALL_PLACES: CredentialPlaces = { header: true, protocol: true, cookie: "session", query: true };

function credential(
  headers: IncomingHttpHeaders,
  query = "",
  places: CredentialPlaces = ALL_PLACES,
): string | undefined {
  return readCredential(headers, new URLSearchParams(query), places);
}

test.each<[string, IncomingHttpHeaders, string, Partial<CredentialPlaces>]>([
  ["the header", { authorization: "Bearer t.o-k_en" }, "", { header: true }],
  ["the header in other case", { authorization: "bearer   t.o-k_en " }, "", { header: true }],
  ["a subprotocol", { "sec-websocket-protocol": "carillon, bearer.t.o-k_en" }, "", { protocol: true }],
  ["a subprotocol in front", { "sec-websocket-protocol": "bearer.t.o-k_en,carillon" }, "", { protocol: true }],
  ["a cookie", { cookie: "a=1; session=t.o-k_en; xsession=2" }, "", { cookie: "session" }],
  ["a quoted cookie", { cookie: 'session="t.o-k_en"' }, "", { cookie: "session" }],
  ["the query", {}, "token=t.o-k_en&meta=1", { query: true }],
])("reads a token from %s when that place is enabled, and from no other place", (_, headers, query, on) => {
  expect(credential(headers, query, { ...NO_PLACES, ...on })).toBe("t.o-k_en");
  expect(credential(headers, query)).toBe("t.o-k_en");
  expect(credential(headers, query, NO_PLACES)).toBeUndefined();
  const off = Object.fromEntries(Object.keys(on).map((key) => [key, NO_PLACES[key as keyof CredentialPlaces]]));
  expect(credential(headers, query, { ...ALL_PLACES, ...off })).toBeUndefined();
});

test.each<[string, IncomingHttpHeaders, string]>([
  ["nothing", {}, ""],
  ["another scheme", { authorization: "Basic YTpi" }, ""],
  ["a scheme without a token", { authorization: "Bearer" }, ""],
  ["an empty token", { authorization: "Bearer ", cookie: "session=" }, "token="],
  ["other subprotocols", { "sec-websocket-protocol": "carillon, other" }, ""],
  ["other cookies", { cookie: "sessions=1; xsession=2; session" }, ""],
])("reads no token from %s", (_, headers, query) => {
  expect(credential(headers, query)).toBeUndefined();
});

test("accepts the same token in several places", () => {
  const headers = { authorization: "Bearer a", "sec-websocket-protocol": "carillon, bearer.a", cookie: "session=a" };
  expect(credential(headers, "token=a&token=a")).toBe("a");
});

test.each<[string, IncomingHttpHeaders, string]>([
  ["header and query", { authorization: "Bearer a-secret" }, "token=b-secret"],
  ["header and cookie", { authorization: "Bearer a-secret", cookie: "session=b-secret" }, ""],
  ["header and subprotocol", { authorization: "Bearer a-secret", "sec-websocket-protocol": "x, bearer.b-secret" }, ""],
  ["two in the query", {}, "token=a-secret&token=b-secret"],
  ["two cookies", { cookie: "session=a-secret; session=b-secret" }, ""],
  ["two subprotocols", { "sec-websocket-protocol": "bearer.a-secret, x, bearer.b-secret" }, ""],
  ["a token as the only subprotocol", { "sec-websocket-protocol": "bearer.a-secret" }, ""],
])("refuses %s without disclosing a token", (_, headers, query) => {
  let error: unknown;
  try {
    credential(headers, query);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(String(error)).not.toContain("secret");
});

test("ignores tokens in places that are not enabled", () => {
  const headers = { authorization: "Bearer a", "sec-websocket-protocol": "bearer.b" };
  expect(credential(headers, "token=c", { ...NO_PLACES, header: true })).toBe("a");
});

test.each([
  [["carillon", "bearer.x"], "carillon"],
  [["bearer.x", "carillon"], "carillon"],
  [["graphql-ws", "carillon"], "carillon"],
  [["bearer.x", "other"], "other"],
  [["other", "another"], "other"],
  [["bearer.x"], false],
  [["Bearer.x"], false],
  [[], false],
] as const)("O10: given the subprotocols %j, chooses %j", (offered, chosen) => {
  expect(chooseProtocol(new Set(offered))).toBe(chosen);
});
