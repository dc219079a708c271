import type { Arrival } from "../../src/clients/admission.js";
import { AdmissionControl } from "../../src/clients/admission-control.js";
import type { ConfigInput } from "../../src/server/config.js";
import { MemoryStore } from "../../src/store/memory.js";
import { systemClock } from "../../src/util/system-clock.js";
import { ManualClock } from "../support/manual-clock.js";
import { createVhostWorld } from "../support/nodes/vhost-world.js";

function receptionOf(vhost: NonNullable<ConfigInput["vhosts"]>[string], clock: ManualClock): AdmissionControl {
  const store = new MemoryStore({ clock: systemClock, onError: String });
  const { vhosts } = createVhostWorld({ vhosts: { "/": vhost } }, store);
  return new AdmissionControl(vhosts, clock);
}

function arrival(dialect: string, guest: boolean): Arrival {
  return {
    vhost: "/",
    origin: { dialect, address: "127.0.0.1", userAgent: "" },
    credential: undefined,
    guest,
    connectionId: "node.1",
    upgrade: { method: "GET", uri: "/", headers: {}, query: new URLSearchParams(), forwarded: [] },
  };
}

test.each(["broadcaster", "webrocket", "socketio"])(
  "A4: a %s client without a token has a minute to show one where nobody comes in otherwise",
  async (dialect) => {
    const clock = new ManualClock();
    const reception = receptionOf({ anonymous: { connect: false } }, clock);
    const { principal } = await reception.admit(arrival(dialect, true));
    expect(principal).toMatchObject({ user: undefined, expires: clock.now() + 60_000, terms: { confined: true } });
    expect(principal.permissions.grants).toEqual({});
  },
);

test("A4: elsewhere it may stay as who it is, and a native one does not come in", async () => {
  const clock = new ManualClock();
  const open = await receptionOf({}, clock).admit(arrival("webrocket", true));
  expect(open.principal.expires).toBeUndefined();
  const closed = receptionOf({ anonymous: { connect: false } }, clock);
  expect(() => closed.admit(arrival("native", false))).toThrow("a token is needed to connect");
});
