import { join } from "node:path";
import { build } from "esbuild";
import { cleanUp } from "../../support/clean-up.js";
import { inBrowser, TestPage } from "../../support/clients/browser.js";
import { connect } from "../../support/clients/native.js";
import { startSite } from "../../support/clients/site.js";
import { startNode } from "../../support/nodes/node.js";

const REFUSED = "refused 3 messages[0].topics[0] begins with a reserved character (@, # or $)";

/** Bundles a program of this folder into one script for a page. */
async function bundled(program: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, "../programs", `${program}.ts`)],
    bundle: true,
    format: "iife",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

inBrowser("published clients in pages of another origin", () => {
  test.each([
    ["Google's grpc-web, as text", "grpc-web-page", "text"],
    ["Google's grpc-web, as bytes", "grpc-web-page", "binary"],
    ["connect-web by Connect, as bytes", "connect-web-page", "connect"],
    ["connect-web by Connect, as JSON and by GET", "connect-web-page", "connect-json"],
    ["connect-web by gRPC-Web", "connect-web-page", "grpc-web"],
  ])("R15: %s publishes, is refused and watches, with custom headers", async (_, program, format) => {
    const site = await startSite(await bundled(program));
    const node = await startNode({ origins: [site] });
    const listener = await connect(`${node.ws}/ws`);
    await listener.join("heard");
    const shown = await TestPage.open(site);
    cleanUp(() => shown.close());
    await shown.page.evaluate(
      ([http = "", chosen = ""]) =>
        (globalThis as unknown as { callAll: (http: string, format: string) => Promise<void> }).callAll(http, chosen),
      [node.http, format],
    );
    await shown.hasLogged("published true");
    expect(await listener.next()).toMatchObject({ topic: "heard", payload: "hi ✓" });
    await shown.hasLogged(REFUSED);
    // Google's client only supports streams as text.
    if (format === "binary") return;
    // The present members, caught up, then those that join later.
    await shown.hasLogged("change 1");
    await shown.hasLogged("change 4");
    await connect(`${node.ws}/ws`);
    await shown.hasLogged("change 2");
    await connect(`${node.ws}/ws`);
    await shown.hasLogged("change 2", 2);
    await node.carillon.stop();
    await shown.hasLogged("stream refused 14 this node is stopping");
  });
});
