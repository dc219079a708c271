import type { Command } from "commander";

/** Adds the options with which a command reaches a node as a backend. */
export function addNodeOptions(command: Command): Command {
  return command
    .option("--key <key>", "backend key; prefer CARILLON_KEY, because command lines are visible to other users")
    .option("--vhost <path>", "vhost (default: the key's)")
    .option("--tls", "connect to the gRPC port with TLS")
    .option("--ca <file>", "PEM file of the authority that signed its certificate; implies --tls")
    .option("-s, --server <host:port>", "gRPC port of a node", process.env["CARILLON_GRPC"] ?? "127.0.0.1:6001");
}

/** Adds those options, and one for the broker of a topic. */
export function addBackendOptions(command: Command): Command {
  return addNodeOptions(command.option("--broker-name <name>", "broker of the topic (default: the server's default)"));
}
