import { text } from "node:stream/consumers";
import { toJwtOptions } from "../access/authenticators/vhost-access.js";
import { ACTIONS, type Action } from "../access/decide/actions.js";
import { type ExplainedClient, explain } from "../access/decide/explain.js";
import { Permissions } from "../access/decide/permissions.js";
import { labelFault, topicFault } from "../core/topic-name.js";
import { CarillonError, invalidArgument } from "../errors.js";
import { loadConfig } from "../server/config.js";
import { systemClock } from "../util/system-clock.js";
import { createRuleTable } from "../vhosts/rules.js";
import { configFile } from "./config-file.js";
import { EXIT, fail } from "./exit-code.js";

export interface ExplainFlags {
  readonly config?: string;
  readonly vhost: string;
  readonly token?: string;
  readonly anonymous?: true;
  readonly permissions?: string;
}

/** Prints whether a client may do something, and why. Asks nobody: the configuration file decides. */
export async function explainAccessCommand(action: string, topic: string, flags: ExplainFlags): Promise<void> {
  try {
    const { allowed, reason } = await decideBy(action, topic, flags);
    process.stdout.write(`${allowed ? "allowed" : "refused"}: ${reason}\n`);
    process.exitCode = allowed ? EXIT.ok : EXIT.failed;
  } catch (error) {
    const { code } = CarillonError.from(error);
    fail(error, code === "unavailable" ? EXIT.unavailable : EXIT.usage);
  }
}

async function decideBy(action: string, topic: string, flags: ExplainFlags) {
  if (!ACTIONS.includes(action as Action))
    throw invalidArgument(`expected one of ${ACTIONS.join(", ")}, not ${action}`);
  const fault = action === "call" ? labelFault(topic) : topicFault(topic);
  if (fault !== undefined) throw invalidArgument(`the topic ${JSON.stringify(topic)} ${fault}`);
  const asker = await askerOf(flags);
  const { vhosts } = loadConfig({ file: configFile(flags.config), environment: process.env });
  const settings = new Map(Object.entries(vhosts)).get(flags.vhost);
  if (settings === undefined) {
    throw invalidArgument(`no vhost ${JSON.stringify(flags.vhost)}; configured: ${Object.keys(vhosts).join(", ")}`);
  }
  const granted = Permissions.of(settings.anonymous.permissions);
  const vhost = {
    // Channels are opened at run time: what the name of one says does not count here.
    rulesFor: createRuleTable(settings, new Set()).rulesFor,
    anonymous: settings.anonymous.connect ? granted : undefined,
    granted,
    jwt: settings.jwt === undefined ? undefined : toJwtOptions(settings.jwt),
  };
  return explain(vhost, asker, { action: action as Action, topic }, systemClock);
}

/** A token is read from stdin for `-`: what is on a command line, others on the machine see. */
async function askerOf({ anonymous, permissions, token }: ExplainFlags): Promise<ExplainedClient> {
  if ([anonymous, permissions, token].filter((way) => way !== undefined).length !== 1) {
    throw invalidArgument("expected one of --token, --anonymous and --permissions");
  }
  if (token !== undefined) return { kind: "token", token: token === "-" ? (await text(process.stdin)).trim() : token };
  if (permissions === undefined) return { kind: "anonymous" };
  try {
    return { kind: "permissions", permissions: JSON.parse(permissions) as unknown };
  } catch {
    throw invalidArgument(`--permissions: expected JSON such as {"join":["orders.*"]}`);
  }
}
