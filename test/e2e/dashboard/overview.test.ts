import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { PASSWORD, PASSWORD_HASH } from "../../admin/support.js";
import { bearer, configuredKey, TestBackend } from "../../support/backends/backend.js";
import { inBrowser, NO_SERVER } from "../../support/clients/browser.js";
import { connect } from "../../support/clients/native.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { keepAddress } from "../../support/net/kept-address.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { findBarriers, openDashboard, openSignedIn, submitSecret } from "./support.js";

const ADMIN = { password_hash: PASSWORD_HASH };

function startWithPassword(): Promise<TestNode> {
  return startNode({ admin: ADMIN });
}

inBrowser("the dashboard", () => {
  test("opens after the right password, and asks again after signing out", async () => {
    const node = await startWithPassword();
    const shown = await openDashboard(node, { expected: /status of 403/ });
    await submitSecret(shown, "wrong");
    await shown.says("sign-in-result", /^Wrong password or key\.$/);
    expect(await findBarriers(shown)).toEqual([]);
    await submitSecret(shown, PASSWORD);
    await shown.says("tiles", /Nodes\s*1/);
    await shown.page.reload();
    await shown.says("state", /^Connected$/);
    await shown.page.getByTestId("sign-out").click();
    await shown.page.getByTestId("secret").waitFor();
    await shown.page.reload();
    await shown.page.getByTestId("secret").waitFor();
  });

  test("says when an address has failed too often to sign in", async () => {
    const shown = await openDashboard(await startWithPassword(), { expected: /status of (?:403|429)/ });
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await submitSecret(shown, `wrong ${attempt}`);
      await shown.page.locator('[data-testid="sign-in"]:enabled').waitFor();
    }
    await submitSecret(shown, PASSWORD);
    await shown.says("sign-in-result", /^Too many/);
    expect(await shown.page.getByTestId("sign-in-result").textContent()).toBe(
      "Too many failed attempts to sign in: try again later.",
    );
  });

  test("lets a key sign in, and says which right it lacks", async () => {
    const keys = [configuredKey("operator", { actions: ["admin", "topics"] })];
    const node = await startNode({ admin: ADMIN, vhosts: { "/": { keys } } });
    const shown = await openDashboard(node, { expected: /status of 403/ });
    await shown.page.getByTestId("other-way").click();
    await submitSecret(shown, "operator");
    await shown.says("failure", /^Not permitted: key "operator" lacks the action "vhosts"\.$/);
    await shown.says("state", /^Connected$/);
    expect(await findBarriers(shown)).toEqual([]);
  });

  test("asks to sign in again when the key is revoked", async () => {
    const keys = [configuredKey("root", { actions: ["*"] })];
    const node = await startNode({ admin: { dashboard: "on" }, vhosts: { "/": { keys } } });
    const root = new TestBackend(node, bearer("root"));
    const { key, secret } = await root.call(ControlService.method.createKey, { name: "operator", actions: ["*"] });
    const shown = await openDashboard(node, { expected: /status of 401/ });
    await submitSecret(shown, secret);
    await shown.says("tiles", /Nodes\s*1/);
    await root.call(ControlService.method.revokeKey, { id: key?.id ?? "" });
    await shown.page.getByTestId("secret").waitFor();
    expect(await shown.page.getByTestId("tiles").count()).toBe(0);
  });

  test("opens without signing in on loopback while no keys exist", async () => {
    const shown = await openDashboard(await startNode());
    await shown.says("tiles", /Nodes\s*1/);
    expect(await shown.page.getByTestId("sign-out").isVisible()).toBe(false);
  });

  test("shows both nodes of a cluster, and their traffic", async () => {
    const server = await startNats();
    const asked = await startNatsNode(server.url, {}, { admin: ADMIN });
    const other = await startNatsNode(server.url);
    const client = await connect(`${other.ws}/ws`);
    await client.join("a");
    const shown = await openSignedIn(asked);
    await shown.says("tiles", /Nodes\s*2\s*Connections\s*1/);
    const rows = shown.page.getByTestId("nodes").locator("tbody tr");
    expect(await rows.count()).toBe(2);
    await rows.filter({ hasText: "this node" }).filter({ hasText: "nats" }).waitFor();
    await new TestBackend(other).say("a", "hello");
    await client.next();
    await shown.says("tiles", /Messages out \/ s\s*[\d.]+\s*1 in all/);
    expect(await shown.page.locator(".chart canvas").count()).toBe(4);
    expect(await findBarriers(shown)).toEqual([]);
    await other.carillon.stop();
    await shown.says("tiles", /Nodes\s*1\s*Connections\s*0/);
  });

  test("says that the node does not answer when it stops, and recovers", async () => {
    const http = await keepAddress();
    const node = await startNode({ http, admin: ADMIN, stop_timeout: "1s" });
    const shown = await openSignedIn(node, { expected: NO_SERVER });
    await shown.says("state", /^Connected$/);
    await node.carillon.stop();
    await shown.says("state", /^Disconnected$/);
    await shown.says("outage", /does not answer/);
    expect(await findBarriers(shown)).toEqual([]);
    await startNode({ http });
    // The new node has no password and no sessions, so it needs no sign-in.
    await shown.says("state", /^Connected$/);
    await shown.page.getByTestId("outage").waitFor({ state: "hidden" });
  });
});
