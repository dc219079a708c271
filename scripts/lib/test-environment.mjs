import { browser } from "./browser.mjs";
import { grpcurl } from "./grpcurl.mjs";
import { natsServer } from "./nats-server.mjs";
import { versionOf } from "./program.mjs";
import { pythonEnvironments } from "./python.mjs";
import { say } from "./say.mjs";

/**
 * Finds, or gets, the programs that tests start: `{ env, missing }`, with the environment for jest, and a line for each
 * program without which tests are skipped.
 */
export async function testEnvironment() {
  const nats = await natsServer();
  say(`testing with ${versionOf(nats)} (${nats})`);
  const chromium = await browser();
  if (chromium.path) say(`testing with ${versionOf(chromium.path)} (${chromium.path})`);

  const reflection = await grpcurl();
  const python = await pythonEnvironments();

  const env = {
    ...process.env,
    ...python.env,
    NATS_SERVER: nats,
    ...(reflection.path ? { GRPCURL: reflection.path } : { GRPCURL_MISSING: reflection.missing }),
    ...(chromium.path ? { CHROMIUM: chromium.path } : { CHROMIUM_MISSING: chromium.missing }),
  };
  const missing = [];
  if (chromium.missing) missing.push(`the browser's tests were skipped: ${chromium.missing}`);
  if (reflection.missing) missing.push(`grpcurl's tests were skipped: ${reflection.missing}`);
  return { env, missing: [...missing, ...python.missing] };
}
