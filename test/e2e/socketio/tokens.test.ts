import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { raw, SECRET } from "../../access/jwts.js";
import { TestBackend } from "../../support/backends/backend.js";
import { startWorker } from "../../support/backends/worker.js";
import { connectStock } from "../../support/clients/socket-io.js";
import { startNode } from "../../support/nodes/node.js";

/** Settings for the tokens of the gateway's application: no `exp`, an integer as the user, and bits for the rights. */
const SETTINGS = {
  access: "private" as const,
  jwt: {
    secret: SECRET,
    require_exp: false,
    integer_user: true,
    permission_bits: { "2": { join: ["607637793107345431"] }, "16": { call: ["pool_request"] } },
    claims: { user: "id", issued_at: "issued_at", expires_in: "expires_in" },
  },
  socketio: { calls: [{ event: "pool_request", answer: "pool_response" }] },
};

function applicationToken(permissions: number, issuedAt = new Date()): string {
  const claims = `{"access_token":"x","refresh_token":"y","expires_in":604800,"issued_at":"${issuedAt.toISOString().replace("Z", "000")}","id":214037134477230080,"permissions":${permissions}}`;
  return raw('{"alg":"HS256","typ":"JWT"}', claims);
}

test.each(["2.3.0", "4.x"] as const)(
  "A5, A7: accepts the application's tokens by configuration (%s)",
  async (version) => {
    const node = await startNode({ vhosts: { "/": SETTINGS } });
    const client = await connectStock(node.http, { version, auth: { token: applicationToken(274) } });
    const worker = await startWorker(node, ["*"]);
    expect(await client.ask("spectate", "607637793107345431")).toEqual({ ok: true });
    expect(await client.ask("spectate", "42")).toMatchObject({ ok: false, error: { code: 403 } });
    const answer = client.ask("pool_request", {});
    const task = await worker.tasks.next();
    expect(task).toMatchObject({ user: "214037134477230080" });
    worker.answer(task, "{}");
    expect(await answer).toEqual({ finished: true });
    const weak = await connectStock(node.http, { version, auth: { token: applicationToken(2) } });
    expect(await weak.ask("pool_request", {})).toMatchObject({ ok: false, error: { code: 403 } });
    const old = applicationToken(274, new Date(Date.now() - 700_000_000));
    await expect(connectStock(node.http, { version, auth: { token: old } })).rejects.toThrow("invalid token: expired");
  },
);

test("A5: accepts the same settings for vhosts created at run time, and names the invalid setting", async () => {
  const node = await startNode();
  const backend = new TestBackend(node);
  const { createVhost } = ControlService.method;
  await backend.call(createVhost, { path: "/shop", settings: SETTINGS });
  const client = await connectStock(`${node.http}/shop`, { auth: { token: applicationToken(274) } });
  expect(await client.ask("spectate", "607637793107345431")).toEqual({ ok: true });
  const bad: [object, string][] = [
    [{ permission_bits: { x: {} } }, "permission_bits"],
    [{ permission_bits: { "-1": {} } }, "permission_bits"],
    [{ permission_bits: { 1: { fly: [] } } }, "permission_bits"],
    [{ claims: { issued_at: "issued_at" } }, "must be set together"],
    [{ require_exp: "no" }, "require_exp"],
    [{ integer_user: 1 }, "integer_user"],
  ];
  for (const [at, [jwt, text]] of bad.entries()) {
    const settings = { jwt: { secret: SECRET, ...jwt } };
    const answer = await backend.ask(createVhost, { path: `/bad${at}`, settings });
    expect(answer).toMatchObject({ message: expect.stringContaining(text) as string });
  }
});
