import { browser } from "./browser.mjs";
import { deployTools } from "./deploy-tools.mjs";
import { grpcurl } from "./grpcurl.mjs";
import { h2spec } from "./h2spec.mjs";
import { interopClients, withoutInteropClients } from "./interop.mjs";
import { natsServer } from "./nats-server.mjs";
import { optionalPrograms } from "./optional-programs.mjs";
import { centrifugo } from "./peers.mjs";
import { previousVersion } from "./previous.mjs";
import { versionOf } from "./program.mjs";
import { pythonEnvironments } from "./python.mjs";
import { runtimes } from "./runtimes.mjs";
import { say } from "./say.mjs";

/**
 * Finds or installs the programs that tests start. Returns `{ env, missing }`: the environment for jest, and a message
 * for each missing program whose tests are skipped. The arguments are those of jest: clients of gRPC's other libraries are
 * built only if they name `interop`.
 */
export async function testEnvironment(args) {
  const withInterop = args.some((arg) => arg.includes("interop"));
  const nats = await natsServer();
  say(`testing with ${versionOf(nats)} (${nats})`);
  const chromium = await browser();
  if (chromium.path) say(`testing with ${versionOf(chromium.path)} (${chromium.path})`);

  const reflection = await grpcurl();
  const conformance = await h2spec();
  const python = await pythonEnvironments(withInterop ? [] : ["grpc"]);
  const interop = withInterop ? await interopClients() : withoutInteropClients();
  const optional = optionalPrograms();
  const tools = await deployTools();
  const javaScript = await runtimes();

  const env = {
    ...process.env,
    ...python.env,
    ...interop.env,
    ...optional.env,
    ...tools.env,
    ...javaScript.env,
    NATS_SERVER: nats,
    ...(reflection.path ? { GRPCURL: reflection.path } : { GRPCURL_MISSING: reflection.missing }),
    ...(conformance.path ? { H2SPEC: conformance.path } : { H2SPEC_MISSING: conformance.missing }),
    ...(chromium.path ? { CHROMIUM: chromium.path } : { CHROMIUM_MISSING: chromium.missing }),
  };
  const missing = [];
  if (chromium.missing) missing.push(`skipped the tests with a browser: ${chromium.missing}`);
  if (reflection.missing) missing.push(`skipped the tests with grpcurl: ${reflection.missing}`);
  if (conformance.missing) missing.push(`skipped the tests with h2spec: ${conformance.missing}`);
  const peer = await centrifugo(false);
  if (peer.missing)
    missing.push(`skipped Centrifugo in benchmarks: ${peer.missing} (npm run bench -- peers builds it)`);
  const previous = await previousVersion();
  if (previous.missing) missing.push(`skipped the tests with the previous version: ${previous.missing}`);
  return {
    env,
    missing: [
      ...missing,
      ...python.missing,
      ...interop.missing,
      ...optional.missing,
      ...tools.missing,
      ...javaScript.missing,
    ],
  };
}
