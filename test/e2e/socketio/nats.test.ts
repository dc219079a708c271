import { CONFIG, tokenFor } from "../../dialects/socketio/support.js";
import { publish } from "../../support/backends/publish.js";
import { connectStock, TRANSPORTS, VERSIONS } from "../../support/clients/socket-io.js";
import { subjectsOf } from "../../support/nats/monitor.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";

const CLIENTS = VERSIONS.flatMap((version) => TRANSPORTS.map((transport) => [version, transport] as const));

test.each(CLIENTS)(
  "I6: subscribes in NATS only to what clients of the node spectate (%s, %s)",
  async (version, transport) => {
    const server = await startNats('http: "127.0.0.1:-1"');
    const named = (name: string) =>
      startNatsNode(server.url, { client_name: name }, { ...CONFIG, interest_linger: "0" });
    const [one, two] = [await named("one"), await named("two")];
    const token = await tokenFor("eve");
    const options = { version, transports: [transport], auth: { token } };
    const first = await connectStock(one.http, options);
    const second = await connectStock(two.http, options);
    await first.ask("spectate", { guild_id: "42", include_logs: true });
    await second.ask("spectate", { guild_id: "43" });
    expect((await subjectsOf(server, "one")).map(lastToken)).toEqual(["42", "42_logs"]);
    expect((await subjectsOf(server, "two")).map(lastToken)).toEqual(["43"]);
    await publish(two, [{ topics: ["42", "43"], payload: '{"n":1}', event: "log_pool" }]);
    expect(await first.heard.next()).toEqual({ event: "log_pool", value: { n: 1 } });
    expect(await second.heard.next()).toEqual({ event: "log_pool", value: { n: 1 } });
    // The oldest client does not know its session's id.
    const own = version === "2.3.0" ? "$user.eve" : `$connection.${first.id}`;
    await publish(two, [{ topics: [own], payload: "2", event: "to_you" }]);
    expect(await first.heard.next()).toEqual({ event: "to_you", value: 2 });
  },
);

function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}
