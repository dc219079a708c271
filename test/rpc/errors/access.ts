import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import type { BackendDirectory } from "../../../src/access/keys/backend.js";
import { Keyring } from "../../../src/access/keys/keyring.js";
import { BROADCAST_ACTIONS, BroadcastImplementation } from "../../../src/rpc/services/publish/broadcast.js";
import { broadcastCodec } from "../../../src/rpc/services/publish/broadcast-codec.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { callersOf, startMounts, type TestHeaders } from "../../support/backends/mounts.js";
import { cleanUp } from "../../support/clean-up.js";
import { bearer, TestKeys } from "../support/keys.js";
import { TestPublisher } from "../support/publisher.js";
import { type ErrorCase, expectRow } from "./error-case.js";

const REQUEST = { messages: [{ topics: ["foo"], payload: Buffer.from("x") }] };

const keys = (): BackendDirectory =>
  new TestKeys({
    all: { actions: ["*"] },
    watcher: { actions: ["connections"] },
    scoped: { actions: ["publish"], topics: ["orders.*"] },
  }).keyring;

/** Starts a node without keys and without the vhost. */
const nowhere = (): BackendDirectory => new Keyring({ clock: systemClock, open: true, hasVhost: () => false });

const notLoaded = (): BackendDirectory =>
  new Keyring({ clock: systemClock, open: true, hasVhost: () => true, loaded: () => false });

/** Checks that a publish is refused by every protocol, and that nothing is published. */
function refusal(headers: TestHeaders, directory: () => BackendDirectory = keys): ErrorCase {
  return async (row) => {
    const published = new TestPublisher();
    const implementation = new BroadcastImplementation(published.publisher, () => {});
    cleanUp(() => implementation.stop());
    const service = { service: BroadcastService, implementation, actions: BROADCAST_ACTIONS, codec: broadcastCodec };
    const mounts = await startMounts({ services: [service], directory: directory() });
    for (const caller of callersOf(mounts)) {
      for (const method of [BroadcastService.method.publish, BroadcastService.method.publishAsync]) {
        expectRow(row, await caller.call(method, REQUEST, headers), caller.name);
      }
    }
    expect([published.topics, mounts.faults]).toEqual([[], []]);
  };
}

export const accessErrors: Readonly<Record<string, ErrorCase>> = {
  E19: refusal({}),
  E20: refusal({ authorization: "Basic YTpi" }),
  E21: refusal(bearer("nobody")),
  E22: refusal(bearer("watcher")),
  E23: refusal(bearer("scoped")),
  E24: refusal({ ...bearer("all"), "carillon-vhost": "/shop" }),
  E25: refusal({ "carillon-vhost": "/shop" }, nowhere),
  E26: refusal({}, notLoaded),
};
