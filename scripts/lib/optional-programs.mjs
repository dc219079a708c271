import { findProgram } from "./program.mjs";

/** Programs that some tests start, and how each of them prints its version. They are not installed for the tests. */
const PROGRAMS = { nginx: ["-v"], caddy: ["version"], haproxy: ["-v"], promtool: ["--version"] };

/**
 * Finds the programs for the tests of deploy/: reverse proxies, and Prometheus' promtool. Returns `{ env, missing }`: their paths in variables such as
 * NGINX, or the reasons in variables such as NGINX_MISSING; and a message for each that is missing.
 */
export function optionalPrograms() {
  const env = {};
  const missing = [];
  for (const [name, show] of Object.entries(PROGRAMS)) {
    const variable = name.toUpperCase();
    const path = process.env[variable] || findProgram([name], show);
    if (path) env[variable] = path;
    else {
      env[`${variable}_MISSING`] = `${name} is not installed`;
      missing.push(`skipped the tests with ${name}: it is not installed; install it, or set ${variable}=/path/to/it`);
    }
  }
  return { env, missing };
}
