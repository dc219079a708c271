import { Unauthorized } from "../../client/src/index.js";
import { createTestServer } from "../../client/src/testing/index.js";
import { openDouble, QUIET } from "../support/client-library/double.js";
import { openClient, reaches, recordSockets, startNodeWorld } from "../support/client-library/world.js";
import { ManualClock } from "../support/manual-clock.js";

describe("tokens", () => {
  test("asks for a token before each connect", async () => {
    let count = 0;
    const { client, clock, server, sockets } = openDouble({ token: () => `token${(count += 1)}` });
    client.connect();
    await reaches(client, "connected");
    server.disconnect(4401, "token expired");
    await reaches(client, "waiting");
    clock.advance(500);
    await reaches(client, "connected");
    expect(sockets.map(({ protocols }) => protocols)).toEqual([
      ["carillon", "bearer.token1"],
      ["carillon", "bearer.token2"],
    ]);
  });

  test("stops and fails pending commands when no token is available", async () => {
    const error = new Unauthorized("signed out");
    const { client, clock, sockets } = openDouble({ token: () => Promise.reject(error), offline: "queue" });
    const publish = client.topic("plain").publish("x");
    expect(await reaches(client, "closed")).toEqual({ status: "closed", error });
    await expect(publish).rejects.toBe(error);
    expect(sockets).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  test("tries again after any other error, and when there is no token in time", async () => {
    const answers: (() => Promise<string>)[] = [
      () => Promise.reject(new Error("offline")),
      () => new Promise<string>(() => {}),
      () => Promise.resolve("token"),
    ];
    const { client, clock } = openDouble({ token: () => (answers.shift() as () => Promise<string>)() });
    client.connect();
    expect(await reaches(client, "waiting")).toMatchObject({ reason: { message: "Error: offline" } });
    clock.advance(500);
    expect(client.state.status).toBe("connecting");
    clock.advance(10_000);
    expect(client.state).toMatchObject({ status: "waiting", reason: { message: "no token in time" } });
    clock.advance(1_000);
    await reaches(client, "connected");
  });

  test("W15: presents a fresh token at 80 % of the old one's life, on the same connection", async () => {
    const clock = new ManualClock();
    let count = 0;
    const token = (): string => jwt({ iat: clock.now() / 1_000, exp: clock.now() / 1_000 + 100, n: (count += 1) });
    const { client, sent, sockets } = openDouble({ clock, token });
    client.connect();
    await reaches(client, "connected");
    clock.advance(79_000);
    expect(count).toBe(1);
    clock.advance(1_000);
    await client.request({ command: "ping" });
    expect(sent.filter((text) => text.includes('"authenticate"'))).toEqual([
      expect.stringContaining(jwt({ iat: 80, exp: 180, n: 2 })),
    ]);
    clock.advance(80_000);
    await client.request({ command: "ping" });
    expect(count).toBe(3);
    expect(sockets).toHaveLength(1);
  });

  test("keeps the connection and asks again when there is no fresh token yet", async () => {
    const clock = new ManualClock();
    const answers = [jwt({ exp: 100 }), new Error("offline"), jwt({ exp: 1_000 })];
    const token = (): Promise<string> => {
      const answer = answers.shift();
      return typeof answer === "string" ? Promise.resolve(answer) : Promise.reject(answer);
    };
    const { client, count, sockets } = openDouble({ clock, token });
    client.connect();
    await reaches(client, "connected");
    clock.advance(80_000);
    await client.request({ command: "ping" });
    expect([answers.length, count("authenticate")]).toEqual([1, 0]);
    clock.advance(10_000);
    await client.request({ command: "ping" });
    expect([answers.length, count("authenticate")]).toEqual([0, 1]);
    expect(sockets).toHaveLength(1);
  });

  test("connects again when the fresh token is refused", async () => {
    const clock = new ManualClock();
    let count = 0;
    const server = createTestServer({
      authenticate: () => {
        if (count === 2) throw new Error("revoked");
        return "eve";
      },
    });
    const token = (): string => jwt({ exp: clock.now() / 1_000 + 100, n: (count += 1) });
    const client = openClient(server, { clock, token, ...QUIET });
    client.connect();
    await reaches(client, "connected");
    clock.advance(80_000);
    expect(await reaches(client, "waiting")).toMatchObject({ reason: { message: "the token is not valid" } });
    clock.advance(500);
    await reaches(client, "connected");
    expect(count).toBe(3);
  });
});

describe("sleep", () => {
  test("W23: probes an idle connection, and replaces it when no answer comes", async () => {
    const { client, clock, count, sockets, world } = await openWired();
    clock.advance(25_000);
    expect(count("ping")).toBe(1);
    await client.request({ command: "ping" });
    clock.advance(20_000);
    expect(client.state.status).toBe("connected");
    world.mute();
    clock.advance(30_000);
    expect(client.state.status).not.toBe("connected");
    clock.advance(0);
    await reaches(client, "connected");
    expect(sockets).toHaveLength(2);
  });

  test("asks once more when it wakes up, before it gives the connection up", async () => {
    const { client, clock, count, sockets } = await openWired();
    clock.advance(25_000);
    // The answer is there, and has not been read yet.
    clock.sleep(3_600_000);
    expect(client.state.status).toBe("connected");
    expect(count("ping")).toBe(2);
    await client.request({ command: "ping" });
    clock.advance(5_000);
    expect(client.state.status).toBe("connected");
    expect(sockets).toHaveLength(1);
  });
});

/** A connected client of a node, on a clock of the test. */
async function openWired() {
  const world = await startNodeWorld();
  const clock = new ManualClock();
  const { count, sockets, webSocket } = recordSockets(world.webSocket);
  const client = openClient({ ...world, webSocket }, { clock });
  client.connect();
  await reaches(client, "connected");
  return { client, clock, count, sockets, world };
}

function jwt(claims: object): string {
  return ["{}", JSON.stringify(claims), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".");
}
