import { text } from "node:stream/consumers";
import { toJwtOptions } from "../access/authenticators/vhost-access.js";
import { ACTIONS, type Action } from "../access/decide/actions.js";
import { type ExplainedClient, explain } from "../access/decide/explain.js";
import { Permissions } from "../access/decide/permissions.js";
import { labelProblem, topicProblem } from "../core/topic-name.js";
import { CarillonError, invalidArgument } from "../errors.js";
import { loadConfig } from "../server/config.js";
import { systemClock } from "../util/system-clock.js";
import { createHistoryClasses } from "../vhosts/history-classes.js";
import { createRuleTable } from "../vhosts/rules.js";
import { findConfigFile } from "./config-file.js";
import { EXIT, fail } from "./exit-code.js";
import { escapeControls, printJson } from "./terminal/print.js";

export interface ExplainFlags {
  readonly config?: string;
  readonly vhost: string;
  readonly token?: string;
  readonly anonymous?: true;
  readonly permissions?: string;
  readonly json?: true;
}

/** Prints whether the configuration file permits an action of a client, and why. Makes no network requests. */
export async function explainAccessCommand(action: string, topic: string, flags: ExplainFlags): Promise<void> {
  try {
    const { allowed, reason } = await decideFromConfig(action, topic, flags);
    if (flags.json === true) printJson({ allowed, reason });
    else process.stdout.write(`${escapeControls(`${allowed ? "allowed" : "refused"}: ${reason}`)}\n`);
    process.exitCode = allowed ? EXIT.ok : EXIT.failed;
  } catch (error) {
    const { code } = CarillonError.from(error);
    fail(error, code === "unavailable" ? EXIT.unavailable : EXIT.usage);
  }
}

async function decideFromConfig(action: string, topic: string, flags: ExplainFlags) {
  if (!ACTIONS.includes(action as Action))
    throw invalidArgument(`unknown action ${JSON.stringify(action)}; known: ${ACTIONS.join(", ")}`);
  const problem = action === "call" ? labelProblem(topic) : topicProblem(topic);
  if (problem !== undefined) throw invalidArgument(`the topic ${JSON.stringify(topic)} ${problem}`);
  const client = await readClient(flags);
  const { vhosts } = loadConfig({ file: findConfigFile(flags.config), environment: process.env });
  const settings = new Map(Object.entries(vhosts)).get(flags.vhost);
  if (settings === undefined) {
    const known = Object.keys(vhosts).join(", ");
    throw invalidArgument(`unknown vhost ${JSON.stringify(flags.vhost)}; configured: ${known}`);
  }
  const granted = Permissions.of(settings.anonymous.permissions);
  const vhost = {
    // Open channels exist at run time only, so no channel rules apply.
    rulesFor: createRuleTable(settings, new Set(), createHistoryClasses(settings)).rulesFor,
    anonymous: settings.anonymous.connect ? granted : undefined,
    granted,
    jwt: settings.jwt === undefined ? undefined : toJwtOptions(settings.jwt),
  };
  return explain(vhost, client, { action: action as Action, topic }, systemClock);
}

/** Reads the client from the flags. A token of `-` is read from stdin, because other users can see command lines. */
async function readClient({ anonymous, permissions, token }: ExplainFlags): Promise<ExplainedClient> {
  if ([anonymous, permissions, token].filter((flag) => flag !== undefined).length !== 1) {
    throw invalidArgument("expected exactly one of --token, --anonymous and --permissions");
  }
  if (token !== undefined) return { kind: "token", token: token === "-" ? (await text(process.stdin)).trim() : token };
  if (permissions === undefined) return { kind: "anonymous" };
  try {
    return { kind: "permissions", permissions: JSON.parse(permissions) as unknown };
  } catch {
    throw invalidArgument(`--permissions: expected JSON such as {"join":["orders.*"]}`);
  }
}
