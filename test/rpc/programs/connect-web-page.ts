import { ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";

/** Runs in a page: calls with connect-web, and logs the outcomes with console.log. */

/** Headers added by tracing. */
const trace: Interceptor = (next) => (request) => {
  request.header.set("traceparent", `00-${"1".repeat(32)}-${"2".repeat(16)}-01`);
  request.header.set("baggage", "a=b");
  request.header.set("x-request-id", "42");
  return next(request);
};

const TRANSPORTS = {
  connect: (baseUrl: string) => createConnectTransport({ baseUrl, interceptors: [trace], useBinaryFormat: true }),
  "connect-json": (baseUrl: string) => createConnectTransport({ baseUrl, interceptors: [trace], useHttpGet: true }),
  "grpc-web": (baseUrl: string) => createGrpcWebTransport({ baseUrl, interceptors: [trace] }),
} as const;

async function publish(baseUrl: string, format: keyof typeof TRANSPORTS, topic: string): Promise<string> {
  const client = createClient(BroadcastService, TRANSPORTS[format](baseUrl));
  const payload = new TextEncoder().encode("hi ✓");
  try {
    const { ok } = await client.publish({ messages: [{ topics: [topic], payload }] });
    return `published ${ok}`;
  } catch (cause) {
    const { code, rawMessage } = ConnectError.from(cause);
    return `refused ${code} ${rawMessage}`;
  }
}

async function watch(baseUrl: string, format: keyof typeof TRANSPORTS): Promise<void> {
  const client = createClient(ControlService, TRANSPORTS[format](baseUrl));
  const { connections } = await client.listConnections({});
  say(`listed ${connections.length}`);
  try {
    for await (const { change } of client.watchConnections({})) say(`change ${change}`);
  } catch (cause) {
    say(`stream refused ${ConnectError.from(cause).code} ${ConnectError.from(cause).rawMessage}`);
  }
}

function say(text: string): void {
  // Output of the page for the test.
  // oxlint-disable-next-line no-console
  console.log(text);
}

Object.assign(globalThis, {
  callAll: async (http: string, format: keyof typeof TRANSPORTS) => {
    say(await publish(http, format, "heard"));
    say(await publish(http, format, "@bad"));
    void watch(http, format);
  },
});
