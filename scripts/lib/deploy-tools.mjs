import { goProgram } from "./go-program.mjs";

/**
 * Finds or builds the programs for the tests of deploy/: Helm, and the checker of Compose files that Docker Compose consists of.
 * Returns `{ env, missing }`: their paths in HELM and COMPOSE_CHECK, or the reasons in HELM_MISSING and COMPOSE_CHECK_MISSING;
 * and a message for each that is missing.
 */
export async function deployTools() {
  const helm = await goProgram({
    name: "helm",
    version: "3.22.0",
    module: "helm.sh/helm/v3/cmd/helm",
    variable: "HELM",
    show: ["version"],
    // The tests compare its output.
    pinned: true,
  });
  const compose = await goProgram({
    name: "compose-check",
    // Go names a program after the last part of its path.
    built: "cmd",
    version: "2.16.2",
    module: "github.com/compose-spec/compose-go/v2/cmd",
    variable: "COMPOSE_CHECK",
    show: ["--help"],
    pinned: true,
  });
  const env = {};
  const missing = [];
  for (const [variable, { missing: reason, path }] of Object.entries({ HELM: helm, COMPOSE_CHECK: compose })) {
    if (path) env[variable] = path;
    else {
      env[`${variable}_MISSING`] = reason;
      missing.push(`skipped the tests with ${variable}: ${reason}`);
    }
  }
  return { env, missing };
}
