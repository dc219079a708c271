import { ifH2spec, runH2spec } from "../../support/backends/h2spec.js";
import { startHttp2Node } from "./support/attack.js";

/** Seconds that a case may wait for an answer. */
const TIMEOUT = 20;

ifH2spec("h2spec", () => {
  test("passes every case", async () => {
    const node = await startHttp2Node();
    const cases = await runH2spec(node.grpc, TIMEOUT);
    expect(cases).toHaveLength(146);
    expect(cases.filter(({ result }) => result !== "passed")).toEqual([]);
  });
});
