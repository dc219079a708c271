import { readFileSync } from "node:fs";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import type { BackendAction } from "../../../src/access/decide/actions.js";
import { bearer, configuredKey, GrpcBackend, mountsOf, STATUS, TestBackend } from "../../support/backends/backend.js";
import type { TestAnswer, TestCaller, TestHeaders } from "../../support/backends/mounts.js";
import { TestAuthority } from "../../support/net/certificates.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

/** Requests of a backend about one topic. */
type ActionName = "publish" | "control" | "tokens";
const ACTIONS: Readonly<Record<ActionName, (topic: string) => readonly [DescMethodUnary, object]>> = {
  publish: (topic) => [BroadcastService.method.publish, { messages: [{ topics: [topic] }] }],
  control: (topic) => [ControlService.method.openChannel, { channel: topic }],
  tokens: (topic) => [TokenService.method.createChannelToken, { channel: topic }],
};

interface Rights {
  readonly actions: ("*" | BackendAction)[];
  readonly topics?: string[];
}

/** Callers: with all permissions, without this action, for some topics, and of another vhost. */
const RIGHTS: Readonly<Record<"all" | "other" | "narrow", Rights>> = {
  all: { actions: ["*"] },
  other: { actions: ["topics"] },
  narrow: { actions: ["*"], topics: ["orders.*"] },
};
type Who = keyof typeof RIGHTS | "shop";

type Ask = (who: Who, action: ActionName | "stream", topic: string, headers?: TestHeaders) => Promise<TestAnswer>;

const INSIDE = "orders.1";
const OUTSIDE = "news";

/** Expected answers for known callers, by any credential. */
async function expectDecisions(ask: Ask, action: ActionName | "stream"): Promise<void> {
  const statusOf = async (...asked: Parameters<Ask>): Promise<number> => (await ask(...asked)).status;
  expect(await statusOf("all", action, OUTSIDE)).toBe(STATUS.ok);
  expect(await statusOf("narrow", action, INSIDE)).toBe(STATUS.ok);
  expect(await statusOf("shop", action, OUTSIDE)).toBe(STATUS.ok);
  expect(await statusOf("shop", action, OUTSIDE, { "carillon-vhost": "/shop" })).toBe(STATUS.ok);

  expect(await statusOf("other", action, INSIDE)).toBe(STATUS.permissionDenied);
  expect(await statusOf("narrow", action, OUTSIDE)).toBe(STATUS.permissionDenied);
  expect(await statusOf("shop", action, OUTSIDE, { "carillon-vhost": "/" })).toBe(STATUS.permissionDenied);
  expect(await statusOf("all", action, OUTSIDE, { "carillon-vhost": "/shop" })).toBe(STATUS.permissionDenied);
  expect(await statusOf("all", action, OUTSIDE, { "carillon-vhost": "/none" })).toBe(STATUS.permissionDenied);
}

function startWithKeys(): Promise<TestNode> {
  const keys = Object.entries(RIGHTS).map(([name, rights]) => configuredKey(`key-${name}`, rights));
  return startNode({ vhosts: { "/": { keys }, "/shop": { keys: [configuredKey("key-shop", { actions: ["*"] })] } } });
}

/** Keys like the configured ones, created at run time: secrets by caller. */
async function makeKeys(node: TestNode): Promise<Readonly<Record<Who, string>>> {
  const secretOf = async (who: string, request: { actions: string[]; topics?: string[] }): Promise<string> => {
    const backend = new TestBackend(node, bearer(who === "shop" ? "key-shop" : "key-all"));
    return (await backend.call(ControlService.method.createKey, { name: `made-${who}`, ...request })).secret;
  };
  return {
    all: await secretOf("all", RIGHTS.all),
    other: await secretOf("other", RIGHTS.other),
    narrow: await secretOf("narrow", RIGHTS.narrow),
    shop: await secretOf("shop", { actions: ["*"] }),
  };
}

function askWith(caller: TestCaller, secrets: Readonly<Record<Who, string>>): Ask {
  return (who, action, topic, headers) => {
    const [method, request] = ACTIONS[action as ActionName](topic);
    return caller.call(method, request, { ...bearer(secrets[who]), ...headers });
  };
}

function askByStream(node: TestNode, secrets: Readonly<Record<Who, string>>): Ask {
  return (who, _action, topic, headers) => {
    return new GrpcBackend({ grpc: node.grpc, headers: { ...bearer(secrets[who]), ...headers } }).publishStream([
      topic,
    ]);
  };
}

const CONFIGURED: Readonly<Record<Who, string>> = {
  all: "key-all",
  other: "key-other",
  narrow: "key-narrow",
  shop: "key-shop",
};

const mounts = ["grpc", "connect-json"];
const actions = Object.keys(ACTIONS) as ActionName[];

function callerOf(node: TestNode, mount: string): TestCaller {
  const caller = mountsOf(node).find(({ name }) => name === mount);
  if (caller === undefined) throw new Error(`no ${mount}`);
  return caller;
}

describe.each(mounts)("A2: by %s", (mount) => {
  test.each(actions)("a configured key decides on %s", async (action) => {
    const node = await startWithKeys();
    await expectDecisions(askWith(callerOf(node, mount), CONFIGURED), action);
  });

  test.each(actions)("a key created at run time decides on %s, until it is revoked", async (action) => {
    const node = await startWithKeys();
    const secrets = await makeKeys(node);
    const ask = askWith(callerOf(node, mount), secrets);
    await expectDecisions(ask, action);

    const admin = new TestBackend(node, bearer("key-all"));
    const { keys } = await admin.call(ControlService.method.listKeys, {});
    for (const { configured, id } of keys) if (!configured) await admin.call(ControlService.method.revokeKey, { id });
    for (const who of ["all", "other", "narrow"] as const) {
      expect((await ask(who, action, INSIDE)).status).toBe(STATUS.unauthenticated);
    }
    expect((await ask("shop", action, INSIDE)).status).toBe(STATUS.ok);
  });

  test.each(actions)("an unknown caller is refused %s without details", async (action) => {
    const node = await startWithKeys();
    const caller = callerOf(node, mount);
    const [method, request] = ACTIONS[action](INSIDE);
    const unknown: TestHeaders[] = [
      {},
      bearer("key-al"),
      bearer("key-all2"),
      bearer("KEY-ALL"),
      bearer(""),
      { authorization: "key-all" },
      { authorization: "Basic a2V5LWFsbDo=" },
      { authorization: "Bearer key-all, Bearer key-all" },
      { authorization: `Bearer ${configuredKey("key-all", { actions: ["*"] }).hash}` },
      { "carillon-key": "key-all" },
    ];
    for (const headers of unknown) {
      const { message, status } = await caller.call(method, request, headers);
      expect([headers, status]).toEqual([headers, STATUS.unauthenticated]);
      expect(message).not.toContain("key-al");
    }
  });

  test.each(actions)("A3: allows %s to all callers in the named vhost when no keys exist", async (action) => {
    const node = await startNode({ vhosts: { "/shop": {} } });
    const caller = callerOf(node, mount);
    const [method, request] = ACTIONS[action](INSIDE);
    expect((await caller.call(method, request)).status).toBe(STATUS.ok);
    expect((await caller.call(method, request, bearer("whatever"))).status).toBe(STATUS.ok);
    expect((await caller.call(method, request, { "carillon-vhost": "/shop" })).status).toBe(STATUS.ok);
    expect((await caller.call(method, request, { "carillon-vhost": "/none" })).status).toBe(STATUS.notFound);
    expect((await caller.call(method, request, { "carillon-vhost": "shop" })).status).toBe(STATUS.notFound);
  });

  test("A3: the first key closes an open node, and removing it does not open it again", async () => {
    const node = await startNode();
    const caller = callerOf(node, mount);
    const [method, request] = ACTIONS.publish(INSIDE);
    const { key, secret } = await new TestBackend(node).call(ControlService.method.createKey, {
      name: "first",
      actions: ["*"],
    });
    expect((await caller.call(method, request)).status).toBe(STATUS.unauthenticated);
    expect((await caller.call(method, request, bearer(secret))).status).toBe(STATUS.ok);
    await new TestBackend(node, bearer(secret)).call(ControlService.method.revokeKey, { id: key?.id ?? "" });
    expect((await caller.call(method, request)).status).toBe(STATUS.unauthenticated);
    expect((await caller.call(method, request, bearer(secret))).status).toBe(STATUS.unauthenticated);
  });
});

describe("A2: by PublishStream", () => {
  test("configured keys and keys created at run time decide", async () => {
    const node = await startWithKeys();
    await expectDecisions(askByStream(node, CONFIGURED), "stream");
    await expectDecisions(askByStream(node, await makeKeys(node)), "stream");
  });

  test("an unknown caller publishes nothing", async () => {
    const node = await startWithKeys();
    for (const headers of [{}, bearer("key-al"), { authorization: "key-all" }] as TestHeaders[]) {
      const answer = await new GrpcBackend({ grpc: node.grpc, headers }).publishStream([INSIDE]);
      expect(answer).toMatchObject({ status: STATUS.unauthenticated, answer: [] });
    }
  });

  test("A3: allows all callers when no keys exist", async () => {
    const node = await startNode({ vhosts: { "/shop": {} } });
    for (const headers of [{}, { "carillon-vhost": "/shop" }] as TestHeaders[]) {
      expect((await new GrpcBackend({ grpc: node.grpc, headers }).publishStream([INSIDE])).status).toBe(STATUS.ok);
    }
    const headers = { "carillon-vhost": "/none" };
    expect((await new GrpcBackend({ grpc: node.grpc, headers }).publishStream([INSIDE])).status).toBe(STATUS.notFound);
  });
});

async function startWithCertificates() {
  const authority = await TestAuthority.create();
  const server = await authority.issue("localhost", "127.0.0.1");
  const scopes = Object.entries(RIGHTS).map(([who, rights]) => ({ subject: `CN=${who},O=Acme`, ...rights }));
  const node = await startNode({
    tls: { cert_file: server.certFile, key_file: server.keyFile },
    client_certificates: { ca_file: authority.caFile },
    vhosts: {
      "/": { certificates: scopes },
      "/shop": { certificates: [{ subject: "CN=shop,O=Acme", actions: ["*"] }] },
    },
  });
  const channelOf = async (subject: string | undefined, signer = authority): Promise<ChannelCredentials> => {
    const ca = readFileSync(authority.caFile);
    if (subject === undefined) return credentials.createSsl(ca);
    const { certFile, keyFile } = await signer.issueTo(subject);
    return credentials.createSsl(ca, readFileSync(keyFile), readFileSync(certFile));
  };
  return { node, channelOf };
}

describe("A2: by client certificate", () => {
  test("its subject decides, for calls and for streams", async () => {
    const { channelOf, node } = await startWithCertificates();
    const channels = new Map<Who, ChannelCredentials>();
    for (const who of ["all", "other", "narrow", "shop"] as const) {
      channels.set(who, await channelOf(`O=Acme, CN=${who}`));
    }
    const ask: Ask = (who, action, topic, headers = {}) => {
      const channel = channels.get(who);
      if (channel === undefined) throw new Error("no channel");
      const backend = new GrpcBackend({ grpc: node.grpc, channel, headers });
      if (action === "stream") return backend.publishStream([topic]);
      const [method, request] = ACTIONS[action](topic);
      return backend.ask(method, request);
    };
    for (const action of [...actions, "stream"] as const) await expectDecisions(ask, action);
  });

  test("refuses a missing certificate, an unknown subject, and one signed by another authority", async () => {
    const { channelOf, node } = await startWithCertificates();
    const statusWith = async (channel: ChannelCredentials): Promise<number> => {
      return (await new GrpcBackend({ grpc: node.grpc, channel }).ask(...ACTIONS.publish(INSIDE))).status;
    };
    expect(await statusWith(await channelOf(undefined))).toBe(STATUS.unauthenticated);
    expect(await statusWith(await channelOf("O=Acme, CN=nobody"))).toBe(STATUS.unauthenticated);
    expect(await statusWith(await channelOf("CN=all"))).toBe(STATUS.unauthenticated);
    expect(await statusWith(await channelOf("O=Acme, CN=all", await TestAuthority.create()))).not.toBe(STATUS.ok);
    expect(await statusWith(await channelOf("O=Acme, CN=all"))).toBe(STATUS.ok);
  });

  test("refuses a wrong key even with a valid certificate", async () => {
    const { channelOf, node } = await startWithCertificates();
    const channel = await channelOf("O=Acme, CN=all");
    const backend = new GrpcBackend({ grpc: node.grpc, channel, headers: bearer("wrong") });
    expect((await backend.ask(...ACTIONS.publish(INSIDE))).status).toBe(STATUS.unauthenticated);
  });
});
