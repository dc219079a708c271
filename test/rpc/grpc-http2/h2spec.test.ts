import { ifH2spec, runH2spec } from "../../support/backends/h2spec.js";
import { startHttp2Node } from "./support/attack.js";

/**
 * Case that passes only if the server has not answered 256 requests before the next one arrives. They are not gRPC, so that each
 * is answered at once.
 */
const RACE = "http2/5.1.2: Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded";

/** Seconds that a case may wait for an answer. */
const TIMEOUT = 20;

ifH2spec("h2spec", () => {
  test("passes every case that applies to a gRPC server", async () => {
    const node = await startHttp2Node();
    const cases = await runH2spec(node.grpc, TIMEOUT);
    expect(cases.length).toBeGreaterThan(140);
    expect(cases.map(({ name }) => name)).toContain(RACE);
    const others = cases.filter(({ name, result }) => result !== "passed" && name !== RACE);
    expect(others).toEqual([]);
  });
});
