import { availableParallelism } from "node:os";

const tests = {
  testEnvironment: "node",
  roots: ["<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  transform: { "^.+\\.ts$": "@swc/jest", "/node_modules/jose/.+\\.js$": "@swc/jest" },
  // Packages that come as ESM only.
  transformIgnorePatterns: ["/node_modules/(?!jose/)"],
  // Sources import each other as ".js" (ESM); under jest the TypeScript file is meant.
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
};

/** Tests that call the gRPC port. They run once more, with the server of the setting `grpc.server: native`. */
const grpcTests = {
  ...tests,
  displayName: "grpc.server: native",
  setupFiles: ["<rootDir>/test/support/native-grpc.ts"],
  testMatch: [
    "**/test/rpc/{*,grpc/*,services/*}.test.ts",
    "**/test/{publisher-client,worker-client}/*.test.ts",
    "**/test/tracing/spans.test.ts",
    "**/test/transport/{drain,node-tls,stop,receiving/keyless-clients}.test.ts",
    "**/test/e2e/{access/matrix-backends,calls,interop/{libraries,proxies,test-service},workers}.test.ts",
    "**/test/e2e/hostile/{memory,open-files,pending-connections,unread-streams}.test.ts",
  ],
  // These do not call the port.
  testPathIgnorePatterns: ["/rpc/(codec|proto)\\.", "/rpc/services/(plain-json|publish-source)\\."],
};

/** @type {import("jest").Config} */
export default {
  projects: [tests, grpcTests],
  // Ends what hangs. On a busy machine, tests that take seconds take most of a minute, and those with processes two.
  testTimeout: 300_000,
  // Most tests wait for sockets, processes and timers, so that half as many workers again as cores use the cores fully.
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  testSequencer: "<rootDir>/scripts/lib/test-sequencer.mjs",
  testResultsProcessor: "<rootDir>/scripts/lib/name-projects.mjs",
  // Modules of finished test files stay in memory. A worker that has grown to this is replaced; without the limit, one process
  // would run all files on a machine with two cores, and die of memory.
  workerIdleMemoryLimit: "1GB",
  // The default of 500 ms is too short on a busy machine, where jest would report a leak that there is not.
  workerGracefulExitTimeout: 30_000,
};
