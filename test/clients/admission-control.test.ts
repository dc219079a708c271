import type { AdmissionRequest } from "../../src/clients/admission.js";
import { AdmissionControl } from "../../src/clients/admission-control.js";
import type { ConfigInput } from "../../src/server/config.js";
import { MemoryStore } from "../../src/store/memory.js";
import { systemClock } from "../../src/util/system-clock.js";
import { ManualClock } from "../support/manual-clock.js";
import { createVhostWorld } from "../support/nodes/vhost-world.js";

function createAdmissionControl(
  vhost: NonNullable<ConfigInput["vhosts"]>[string],
  clock: ManualClock,
): AdmissionControl {
  const store = new MemoryStore({ clock: systemClock, onError: String });
  const { vhosts } = createVhostWorld({ vhosts: { "/": vhost } }, store);
  return new AdmissionControl(vhosts, clock);
}

function connectRequest(dialect: string, mayAuthenticateLater: boolean): AdmissionRequest {
  return {
    vhost: "/",
    origin: { dialect, address: "127.0.0.1", userAgent: "" },
    credential: undefined,
    mayAuthenticateLater,
    connectionId: "node.1",
    upgrade: { method: "GET", uri: "/", headers: {}, query: new URLSearchParams(), forwarded: [] },
  };
}

test.each(["broadcaster", "webrocket", "socketio"])(
  "A4: gives a %s client without a token a minute to authenticate when the vhost requires a token",
  async (dialect) => {
    const clock = new ManualClock();
    const admission = createAdmissionControl({ anonymous: { connect: false } }, clock);
    const { principal } = await admission.admit(connectRequest(dialect, true));
    expect(principal).toMatchObject({
      user: undefined,
      expires: clock.now() + 60_000,
      terms: { ignoresOpenRules: true },
    });
    expect(principal.permissions.grants).toEqual({});
  },
);

test("A4: admits a client without a token and without a time limit when the vhost is open, and refuses a native client without a token when it is not", async () => {
  const clock = new ManualClock();
  const open = await createAdmissionControl({}, clock).admit(connectRequest("webrocket", true));
  expect(open.principal.expires).toBeUndefined();
  const closed = createAdmissionControl({ anonymous: { connect: false } }, clock);
  expect(() => closed.admit(connectRequest("native", false))).toThrow("a token is required to connect");
});
