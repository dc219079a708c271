import { once } from "node:events";
import { symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/util/package-root.js";
import { publish } from "../support/backends/publish.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { readExamples } from "../support/docs/examples.js";
import { readPage } from "../support/docs/pages.js";
import { startNats } from "../support/nats/server.js";
import { startCarillon } from "../support/nodes/process.js";
import { temporaryFolder } from "../support/temporary-files.js";
import { newTrace } from "../support/tracing.js";

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly service: string;
  readonly node: string;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface TracesRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, "service" | "node"> & {
        readonly attributes: readonly Attribute[];
      })[];
    }[];
  }[];
}

/** Receives spans by OTLP over HTTP, in JSON. */
class Collector {
  readonly spans: ReceivedSpan[] = [];
  url = "";

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      void json(request).then((body) => {
        this.#add(body as TracesRequest);
        response.writeHead(200, { "content-type": "application/json" });
        response.end("{}");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUp(() => server.close());
    cleanUp(() => server.closeAllConnections());
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #add({ resourceSpans }: TracesRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = valueOf(resource.attributes, "service.name");
      for (const { attributes, name, parentSpanId = "", spanId, traceId } of scopeSpans.flatMap(({ spans }) => spans)) {
        const node = valueOf(attributes, "carillon.node");
        this.spans.push({ traceId, spanId, parentSpanId, name, service, node });
      }
    }
  }
}

function valueOf(attributes: readonly Attribute[], name: string): string {
  return attributes.find(({ key }) => key === name)?.value.stringValue ?? "";
}

/** Writes the module of docs/tracing.md, with the packages that it imports beside it. */
function writeDocumentedModule(): string {
  const folder = temporaryFolder();
  symlinkSync(join(packageRoot, "node_modules"), join(folder, "node_modules"));
  const { code = "" } =
    readExamples(readPage("docs/tracing.md")).examples.find(({ file }) => file === "otel.mjs") ?? {};
  const file = join(folder, "otel.mjs");
  writeFileSync(file, code);
  return pathToFileURL(file).href;
}

test("N15: sends one trace of a publish from two processes to a collector, with the module of docs/tracing.md", async () => {
  const collector = new Collector();
  await collector.start();
  const server = await startNats();
  const environment = {
    NODE_OPTIONS: `--import ${writeDocumentedModule()}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  };
  const options = ["--broker", server.url];
  const [a, b] = [await startCarillon(options, { environment }), await startCarillon(options, { environment })];
  const client = await connect(`${b.ws}/ws`);
  await client.join("news");
  const { headers, id } = newTrace();
  await publish(a, [{ topics: ["news"], payload: "x" }], "Publish", headers);
  await client.next();
  client.webSocket.close();
  for (const { child } of [a, b]) child.kill("SIGTERM");
  // A stopping node sends what it has not sent yet.
  expect(await Promise.all([a.exited, b.exited])).toEqual([0, 0]);

  const spans = collector.spans.filter(({ traceId }) => traceId === id);
  const root = spans.find(({ name }) => name === "publish");
  const below = (parent: ReceivedSpan | undefined, name: string): ReceivedSpan | undefined =>
    spans.find((span) => span.name === name && span.parentSpanId === parent?.spanId);
  const sent = below(root, "send nats");
  const received = below(sent, "process nats");
  const delivered = below(received, "fan-out");
  expect(spans).toHaveLength(4);
  expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(["carillon"]));
  expect([sent?.node, received?.node, delivered?.node]).toEqual([root?.node, delivered?.node, received?.node]);
  expect(root?.node).not.toBe(delivered?.node);
  expect(headers.traceparent).toContain(root?.parentSpanId);
});
