import type { BrokerConfig, Config } from "../config/schema.js";
import type { NatsOptions } from "../nats/link/options.js";

type NatsBroker = Extract<BrokerConfig, { driver: "nats" }>;

/** Creates the connection options of a configured broker. */
export function natsOptions(broker: NatsBroker): NatsOptions {
  return {
    servers: broker.servers,
    prefix: broker.prefix,
    clientName: broker.client_name,
    user: broker.user,
    password: broker.password,
    passwordFile: broker.password_file,
    token: broker.token,
    tokenFile: broker.token_file,
    nkeyFile: broker.nkey_file,
    credsFile: broker.creds_file,
    tls: broker.tls && { caFile: broker.tls.ca_file, certFile: broker.tls.cert_file, keyFile: broker.tls.key_file },
    pendingBytes: broker.pending,
    confirmTimeout: broker.confirm_timeout,
  };
}

/** Finds a NATS broker by its name, or the first one; undefined if there is none. */
export function natsBroker(brokers: Config["brokers"], name: string | undefined): NatsBroker | undefined {
  const found = Object.entries(brokers).find(
    ([candidate, { driver }]) => driver === "nats" && (name === undefined || candidate === name),
  );
  return found?.[1].driver === "nats" ? found[1] : undefined;
}
