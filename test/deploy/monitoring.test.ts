import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { say } from "../support/backends/publish.js";
import { connect } from "../support/clients/native.js";
import { metricsIn, readAlerts, readBoard, readDeployed } from "../support/deploy/monitoring.js";
import { ifPromtool, promtool } from "../support/deploy/promtool.js";
import { readPage } from "../support/docs/pages.js";
import { startNatsNode } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { temporaryFolder } from "../support/temporary-files.js";

const alerts = readAlerts();
const board = readBoard();
const expressions = board.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** Scrapes a node on NATS after a client has received a message. */
async function scrape(): Promise<string> {
  const server = await startNats();
  const node = await startNatsNode(server.url);
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  await say(node, "a", "x");
  await client.next();
  return (await fetch(`${node.http}/metrics`)).text();
}

test("names only metrics that a node has in the board and in the alerts", async () => {
  const served = new Set([...(await scrape()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
  const named = metricsIn([...expressions, ...alerts.map(({ expr }) => expr)]);
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((name) => !served.has(name))).toEqual([]);
});

test("describes each alert, and says in the docs what to do", () => {
  const headings = new Set([...readPage("docs/monitoring.md").matchAll(/^### (\w+)$/gm)].map(([, title]) => title));
  expect(alerts.length).toBeGreaterThan(10);
  for (const { alert, annotations, labels } of alerts) {
    expect([alert, labels.severity]).toEqual([alert, expect.stringMatching(/^(?:warning|critical)$/)]);
    expect(annotations.summary).not.toBe("");
    expect(annotations.description).not.toBe("");
    const [page, anchor] = annotations.runbook.split("#");
    expect([alert, page]).toEqual([alert, "docs/monitoring.md"]);
    const title = [...headings].find((heading) => heading?.toLowerCase() === anchor);
    expect([alert, title]).toEqual([alert, expect.any(String)]);
  }
});

test("lists each alert in docs/monitoring.md", () => {
  const listed = [...readPage("docs/monitoring.md").matchAll(/^\| \[?`(Carillon\w+)`/gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
});

test("describes each panel, and reads it from the chosen data source and nodes", () => {
  const source = { type: "prometheus", uid: `\${datasource}` };
  const panels = board.panels.filter(({ type }) => type !== "row");
  expect(panels.length).toBeGreaterThan(30);
  for (const { datasource, description = "", targets = [], title } of panels) {
    expect([title, description]).not.toEqual([title, ""]);
    expect([title, datasource]).toEqual([title, source]);
    expect([title, targets.length]).not.toEqual([title, 0]);
    for (const target of targets) {
      expect([title, target.datasource]).toEqual([title, source]);
      for (const [, labels] of target.expr.matchAll(/\w+\{([^}]*)\}/g)) {
        expect([title, labels]).toEqual([title, expect.stringContaining('job=~"$job", instance=~"$instance"')]);
      }
    }
  }
  expect(board.templating.list.map(({ name }) => name)).toEqual(["datasource", "job", "instance"]);
});

ifPromtool("with promtool", () => {
  test("has valid alerts and a valid configuration", () => {
    const { code, output } = promtool(["check", "config", "deploy/prometheus/prometheus.yml"]);
    expect([code, output]).toEqual([0, expect.stringContaining(`${alerts.length} rules found`)]);
  });

  test("fires each alert when it should, and not otherwise", () => {
    expect(promtool(["test", "rules", "test/deploy/alerts.test.yml"])).toEqual({
      code: 0,
      output: expect.stringContaining("SUCCESS"),
    });
    const tested = [...readPage("test/deploy/alerts.test.yml").matchAll(/^ {2}# (\w+)$/gm)].map(([, name]) => name);
    expect(tested).toEqual(alerts.map(({ alert }) => alert));
  });

  test("has valid queries in the board", () => {
    const rules = expressions.map((expr, position) => ({
      record: `panel:${position}`,
      expr: expr.replaceAll("$__rate_interval", "1m"),
    }));
    const file = join(temporaryFolder(), "board.yml");
    writeFileSync(file, stringify({ groups: [{ name: "board", rules }] }));
    const { code, output } = promtool(["check", "rules", file]);
    expect([code, output]).toEqual([0, expect.stringContaining(`${rules.length} rules found`)]);
  });

  test("serves metrics that follow Prometheus' conventions", async () => {
    expect(promtool(["check", "metrics"], await scrape())).toEqual({ code: 0, output: "" });
  });
});

test("provisions Grafana with the scrape interval of Prometheus", () => {
  const interval = /scrape_interval: (\w+)/.exec(readDeployed("prometheus/prometheus.yml"))?.[1];
  expect(readDeployed("grafana/provisioning/datasources/prometheus.yml")).toContain(`timeInterval: ${interval}\n`);
});
