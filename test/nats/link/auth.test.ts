import { writeFileSync } from "node:fs";
import { nkeys } from "nats";
import type { CarillonError } from "../../../src/errors.js";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { createNatsDriver, publication, startNatsDriver } from "../../support/nats/driver.js";
import { makeOperator } from "../../support/nats/secrets.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import { TestAuthority } from "../../support/net/certificates.js";
import { Queue } from "../../support/queue.js";
import { temporaryFile } from "../../support/temporary-files.js";

type Ways = Partial<NatsOptions>;

/** Connects, and receives its own publish "hello". */
async function greeting(server: NatsServer, ways: Ways): Promise<string> {
  const { driver } = await startNatsDriver({ servers: [server.url], ...ways });
  const received = new Queue<string>();
  driver.subscribe("/", "a", {
    deliver({ payload }) {
      received.push(Buffer.from(payload).toString());
    },
  });
  await driver.settle();
  await driver.publish([publication("a", "hello")]);
  return received.next();
}

async function refusalOf(server: NatsServer, ways: Ways): Promise<CarillonError> {
  const { driver } = createNatsDriver({ servers: [server.url], ...ways });
  const error = await driver.start().then(
    () => {
      throw new Error(driver.up ? "it was let in" : "the first attempt has failed for another reason");
    },
    (cause: unknown) => cause as CarillonError,
  );
  expect(error.code).toBe("failed_precondition");
  expect(driver.up).toBe(false);
  return error;
}

/** All texts of an error that a log could show. */
function shown(error: Error): string {
  const below = error.cause instanceof Error ? shown(error.cause) : "";
  return `${error.message} ${error.stack ?? ""} ${JSON.stringify(error)} ${below}`;
}

/** Lets a client on a busy machine take its time. A server that closes a connection for that is tried again, not refused. */
const UNHURRIED = "timeout: 240";

function tlsConfig({ certFile, keyFile }: { certFile: string; keyFile: string }, more = ""): string {
  return `tls: { ${UNHURRIED}, cert_file: "${certFile}", key_file: "${keyFile}", ${more} }`;
}

describe("user and password", () => {
  const config = `authorization: { ${UNHURRIED}, user: "ann", password: "c0rrect-horse@:/" }`;

  test("connects with a user and password from the options or the server's URL", async () => {
    const server = await startNats(config);
    expect(await greeting(server, { user: "ann", password: "c0rrect-horse@:/" })).toBe("hello");
    const userInfo = `ann:${encodeURIComponent("c0rrect-horse@:/")}@`;
    expect(await greeting(server, { servers: [server.url.replace("//", `//${userInfo}`)] })).toBe("hello");
  });

  test("O10: rejects start for a wrong password without showing it", async () => {
    const server = await startNats(config);

    const error = await refusalOf(server, { user: "ann", password: "wrong-horse" });
    expect(error.message).toBe(`broker "nats" at ${server.url}: 'Authorization Violation'`);
    expect(shown(error)).not.toContain("wrong-horse");

    const inUrl = await refusalOf(server, { servers: [server.url.replace("//", "//ann:1234-horse@")] });
    expect(inUrl.message).toBe(`broker "nats" at ${server.url}: 'Authorization Violation'`);
    expect(shown(inUrl)).not.toContain("horse");
  });

  test("O10: rejects start without a required password", async () => {
    const error = await refusalOf(await startNats(config), {});
    expect(error.message).toContain("Authorization Violation");
  });

  test("O9: retries while its password is refused at a reconnect, reports it once, and recovers when it is accepted", async () => {
    const server = await startNats(config);
    const { driver, downs, errors, ups } = await startNatsDriver({
      servers: [server.url],
      user: "ann",
      password: "c0rrect-horse@:/",
    });
    await ups.next();
    await server.kill();
    await downs.next();

    server.reconfigure(`authorization: { ${UNHURRIED}, user: "ann", password: "another" }`);
    await server.start();
    expect(await errors.next()).toBe("AUTHORIZATION_VIOLATION");
    await server.logged(/Authorization Violation|authentication error/i, 3);
    expect(errors.unread).toEqual([]);
    expect(driver.up).toBe(false);

    await server.kill();
    server.reconfigure(config);
    await server.start();
    await ups.next();
    await driver.settle();
  });
});

test("O10: accepts a token, and rejects a wrong one without showing it", async () => {
  const server = await startNats(`authorization: { ${UNHURRIED}, token: "s3cret-token" }`);
  expect(await greeting(server, { token: "s3cret-token" })).toBe("hello");
  expect(await greeting(server, { servers: [server.url.replace("//", "//s3cret-token@")] })).toBe("hello");
  const error = await refusalOf(server, { token: "bad-token" });
  expect(shown(error)).not.toContain("bad-token");
});

test("O10: reads a password and a token from files, at each connection", async () => {
  const file = temporaryFile("secret", "s3cret\n");
  const password = await startNats(`authorization: { ${UNHURRIED}, user: me, password: s3cret }`);
  expect(await greeting(password, { user: "me", passwordFile: file })).toBe("hello");
  const token = await startNats(`authorization: { ${UNHURRIED}, token: s3cret }`);
  expect(await greeting(token, { tokenFile: file })).toBe("hello");
  writeFileSync(file, "bad");
  for (const [server, ways] of [
    [password, { user: "me", passwordFile: file }],
    [token, { tokenFile: file }],
  ] as const) {
    const error = await refusalOf(server, ways);
    expect(error.message).toContain("Authorization Violation");
    expect(shown(error)).not.toContain("bad");
  }
});

test("O10: accepts an nkey, and rejects another without showing its seed", async () => {
  const user = nkeys.createUser();
  const seed = Buffer.from(user.getSeed()).toString();
  const server = await startNats(`authorization: { ${UNHURRIED}, users: [ { nkey: ${user.getPublicKey()} } ] }`);
  expect(await greeting(server, { nkeyFile: temporaryFile("seed", `${seed}\n`) })).toBe("hello");

  const other = Buffer.from(nkeys.createUser().getSeed()).toString();
  const refused = await refusalOf(server, { nkeyFile: temporaryFile("seed", other) });
  expect(shown(refused)).not.toContain(other);

  const damaged = `${seed.slice(0, -4)}AAAA`;
  const noSeed = await refusalOf(server, { nkeyFile: temporaryFile("seed", damaged) });
  expect(noSeed.message).toContain("nkey_file: not a NATS credentials file");
  expect(shown(noSeed)).not.toContain(seed.slice(0, -4));
});

test("O10: accepts a credentials file, and rejects a foreign one and an empty one", async () => {
  const { creds, serverConfig } = makeOperator();
  const server = await startNats(serverConfig);
  expect(await greeting(server, { credsFile: temporaryFile("user.creds", creds) })).toBe("hello");

  const stranger = await refusalOf(server, { credsFile: temporaryFile("user.creds", makeOperator().creds) });
  expect(stranger.message).toContain("Authorization Violation");
  const empty = await refusalOf(server, { credsFile: temporaryFile("user.creds", "no creds") });
  expect(empty.message).toContain("creds_file: not a NATS credentials file");
});

test("O8: names a missing file", async () => {
  const server = await startNats();
  for (const [key, ways] of [
    ["creds_file", { credsFile: "/nowhere/a" }],
    ["nkey_file", { nkeyFile: "/nowhere/a" }],
    ["password_file", { user: "me", passwordFile: "/nowhere/a" }],
    ["token_file", { tokenFile: "/nowhere/a" }],
    ["tls.ca_file", { tls: { caFile: "/nowhere/a" } }],
    ["tls.cert_file", { tls: { certFile: "/nowhere/a" } }],
    ["tls.key_file", { tls: { keyFile: "/nowhere/a" } }],
  ] satisfies [string, Ways][]) {
    expect((await refusalOf(server, ways)).message).toContain(`${key}: cannot read the file: ENOENT`);
  }
});

describe("TLS", () => {
  test("O10: trusts only certificates of the configured authority", async () => {
    const authority = await TestAuthority.create();
    const server = await startNats(tlsConfig(await authority.issue("localhost", "127.0.0.1")));

    expect(await greeting(server, { tls: { caFile: authority.caFile } })).toBe("hello");

    for (const ways of [{}, { tls: {} }, { tls: { caFile: (await TestAuthority.create()).caFile } }]) {
      const error = await refusalOf(server, ways);
      expect(error.message).toMatch(/certificate/);
    }
  });

  test("O10: rejects a certificate for another name", async () => {
    const authority = await TestAuthority.create();
    const server = await startNats(tlsConfig(await authority.issue("elsewhere.example")));

    const error = await refusalOf(server, { tls: { caFile: authority.caFile } });

    expect(error.message).toContain("elsewhere.example");
  });

  test("O10: presents the node's certificate when the server requests one", async () => {
    const authority = await TestAuthority.create();
    const config = tlsConfig(await authority.issue("localhost"), `ca_file: "${authority.caFile}", verify: true`);
    const server = await startNats(config);

    expect(await greeting(server, { tls: { caFile: authority.caFile, ...(await authority.issue("client")) } })).toBe(
      "hello",
    );
  });

  test("O10: sends nothing to a server without TLS when the URL is tls://", async () => {
    const server = await startNats(`authorization: { ${UNHURRIED}, token: "s3cret" }`);

    const error = await refusalOf(server, { servers: [server.url.replace("nats:", "tls:")], token: "s3cret" });

    expect(error.message).toContain("tls");
  });
});

describe("permissions", () => {
  /** Topics that NATS errors show with Go escapes. */
  const ODD = ['quo"te', "back\\slash", "zero\u200bwidth", "private\u{f0000}use", "soft\u00adhyphen", "💥"];
  const config = `authorization: { ${UNHURRIED}, users: [ { user: "ann", password: "x", permissions: {
    publish: { deny: ["carillon._.secret", "carillon._.denied.>"] },
    subscribe: { deny: ["carillon._.secret", "carillon._.denied.>"] } } } ] }`;
  const ann = { user: "ann", password: "x" };

  test.each(["secret", ...ODD.map((topic) => `denied.${topic}`)])("E14: refuses a publish on %j", async (topic) => {
    const server = await startNats(config);
    const { driver } = await startNatsDriver({ servers: [server.url], ...ann });

    await expect(driver.publish([publication("open", "1"), publication(topic, "2")])).rejects.toMatchObject({
      code: "permission_denied",
      message: `broker "nats" does not permit this node to publish on topic ${JSON.stringify(topic)}`,
    });
    await expect(driver.publish([publication("open", "1")])).resolves.toMatchObject({ stage: "flushed" });
  });

  test.each(["secret", ...ODD.map((topic) => `denied.${topic}`)])(
    "N6: refuses to subscribe to topic %j",
    async (topic) => {
      const server = await startNats(config);
      const { driver } = await startNatsDriver({ servers: [server.url], ...ann });

      const open = driver.subscribe("/", "open", { deliver() {} });
      const closed = driver.subscribe("/", topic, { deliver() {} });
      const again = driver.subscribe("/", topic, { deliver() {} });
      await driver.settle();

      expect(open.refusal).toBeUndefined();
      for (const { refusal } of [closed, again]) {
        expect(refusal).toMatchObject({
          code: "permission_denied",
          message: `broker "nats" does not permit this node to subscribe to topic ${JSON.stringify(topic)}`,
        });
      }
    },
  );

  test("E14: reports a refusal only to the publisher whose subject was refused", async () => {
    const server = await startNats(config);
    const { driver } = await startNatsDriver({ servers: [server.url], ...ann });

    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, async (_, position) =>
        driver.publish([publication(position % 3 === 0 ? "secret" : `open.${position}`, "1")]),
      ),
    );

    for (const [position, { status }] of outcomes.entries()) {
      expect(status).toBe(position % 3 === 0 ? "rejected" : "fulfilled");
    }
  });

  test.each(["secret", 'denied.quo"te'])(
    "O9: subscribes to the refused topic %j again after a reconnect",
    async (topic) => {
      const server = await startNats(config);
      const { driver, ups } = await startNatsDriver({ servers: [server.url], ...ann });
      await ups.next();
      const received = new Queue<string>();
      const subscription = driver.subscribe("/", topic, {
        deliver({ payload }) {
          received.push(Buffer.from(payload).toString());
        },
      });
      await driver.settle();
      expect(subscription.refusal).toBeDefined();

      await server.kill();
      server.reconfigure(`authorization: { ${UNHURRIED}, user: "ann", password: "x" }`);
      await server.start();
      await ups.next();

      expect(subscription.refusal).toBeUndefined();
      await driver.publish([publication(topic, "now")]);
      expect(await received.next()).toBe("now");
    },
  );
});
