import type { ConfigSources } from "../../config/config-reader.js";
import type { Config } from "../../config/schema.js";
import { invalidArgument } from "../../errors.js";
import { type ConfigInput, configReader, loadConfig } from "../../server/config.js";
import { findConfigFile } from "../config-file.js";

export interface ServeFlags {
  readonly config?: string;
  readonly http?: string;
  readonly grpc?: string;
  readonly broker?: string;
  readonly processes?: "auto" | number;
  readonly withNats?: true;
  readonly natsFolder?: string;
  readonly insecure?: true;
  readonly try?: true;
}

/**
 * Reads the configuration of a node.
 * @param nats - URL of the server of `--with-nats`
 * @throws CarillonError invalid_argument that names every problem, one per line
 */
export function readConfig(given: ServeFlags, nats: string | undefined): Config {
  return loadConfig(toSources(given, nats));
}

/**
 * Reads the configuration of a running node again.
 * @throws CarillonError invalid_argument: an empty file, too, because it may be half written
 */
export function rereadConfig(given: ServeFlags, nats: string | undefined): Config {
  return loadConfig({ ...toSources(given, nats), refuseEmpty: true });
}

/** Names the configuration file in the flags, so that a reload misses it once it is gone. */
export function nameConfigFile(flags: ServeFlags): ServeFlags {
  const file = findConfigFile(flags.config);
  return file === undefined ? flags : { ...flags, config: file };
}

function toSources(given: ServeFlags, nats: string | undefined): ConfigSources<ConfigInput> {
  const { broker = nats, config, grpc, http, insecure, processes } = given;
  const flags: ConfigInput = {
    ...(http === undefined ? {} : { http }),
    ...(grpc === undefined ? {} : { grpc }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(processes === undefined ? {} : { processes }),
  };
  // A server that is there anyway keeps the run-time state, too.
  const defaults: ConfigInput = nats === undefined ? {} : { store: { driver: "nats" } };
  return { file: findConfigFile(config), environment: process.env, flags, broker, defaults };
}

/** Checks that `--with-nats` does not replace other brokers. @throws CarillonError invalid_argument */
export function checkBrokers({ broker, config }: ServeFlags): void {
  if ((broker ?? process.env["CARILLON_BROKER"]) !== undefined) {
    throw invalidArgument("--with-nats: excludes --broker and CARILLON_BROKER");
  }
  const { input } = configReader.merge({ file: findConfigFile(config), environment: process.env });
  if ("brokers" in input) throw invalidArgument("--with-nats: the configuration has brokers of its own");
}
