import { cancellingSuite } from "./dispatch/cancelling.js";
import { deliverySuite } from "./dispatch/delivery.js";
import { distributionSuite } from "./dispatch/distribution.js";
import { lostWorkersSuite } from "./dispatch/lost-workers.js";
import { refusalsSuite } from "./dispatch/refusals.js";
import { stoppingSuite } from "./dispatch/stopping.js";
import type { SetUp, StartNodes } from "./dispatch/support.js";
import { triggersSuite } from "./dispatch/triggers.js";

export type { SetUpOptions } from "./dispatch/support.js";

/** Tests the contract of workers/dispatch.ts, which every driver fulfils. */
export function dispatchContract(ofDriver: string, setUp: SetUp): void {
  const start: StartNodes = async (options) => {
    const nodes = await setUp(options);
    const [near] = nodes;
    const far = nodes.at(-1);
    if (near === undefined || far === undefined) throw new Error("no node");
    return { nodes, near, far };
  };

  describe(`dispatch: ${ofDriver}`, () => {
    describe("delivery", () => {
      deliverySuite(start);
    });
    describe("refusals", () => {
      refusalsSuite(start);
    });
    describe("distribution", () => {
      distributionSuite(start);
    });
    describe("triggers", () => {
      triggersSuite(start);
    });
    describe("cancelling", () => {
      cancellingSuite(start);
    });
    describe("lost workers", () => {
      lostWorkersSuite(start);
    });
    describe("stopping", () => {
      stoppingSuite(start);
    });
  });
}
