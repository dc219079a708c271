import { ControlService, type RebalanceResponse } from "../../../gen/carillon/v1/control_pb.js";
import { CarillonError } from "../../errors.js";
import type { BackendClient } from "../../outbound/backend/backend-client.js";
import { asBackend } from "../backend.js";
import { EXIT, fail } from "../exit-code.js";
import type { BackendFlags } from "../node-options.js";
import { note } from "../terminal/note.js";
import { printJson } from "../terminal/print.js";
import { formatTable } from "../terminal/table.js";

export interface RebalanceFlags extends BackendFlags {
  readonly tolerance?: string;
  readonly rate?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Milliseconds between two steps, in which nodes close clients and clients come back. */
const STEP = 1_000;

/** Number of even answers in a row after which the nodes count as even. */
const EVEN_STEPS = 3;

/** Number of steps after which a closed client is back. */
const RETURN_STEPS = 2;

/** Least number of closed clients from which the progress is judged. */
const MIN_CLOSED = 20;

/** Closes clients of overloaded nodes until the nodes are even. The exit code is 1 where they are not. */
export async function rebalanceCommand(flags: RebalanceFlags): Promise<void> {
  let tolerance: number;
  let rate: number;
  try {
    tolerance = parseCount("--tolerance", flags.tolerance);
    rate = parseCount("--rate", flags.rate);
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  const { dryRun = false, json = false } = flags;
  await asBackend(flags, async (client) => {
    const progress = new Progress();
    const ask = (): Promise<RebalanceResponse> => step(client, { tolerance, rate, total: progress.total, dryRun });
    for (;;) {
      const answer = await ask();
      const outcome = progress.judge(answer, dryRun);
      show(answer, { closed: progress.closed, outcome, json });
      if (outcome !== undefined) {
        if (outcome !== "even") process.exitCode = EXIT.failed;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, STEP));
    }
  });
}

type Request = { readonly tolerance: number; readonly rate: number; readonly total: number; readonly dryRun: boolean };

function step(client: BackendClient, request: Request): Promise<RebalanceResponse> {
  return client.call(ControlService.method.rebalance, request);
}

/** Judges whether the nodes become even. */
class Progress {
  /** Largest number of clients so far. */
  total = 0;
  /** Number of clients closed so far. */
  closed = 0;
  /** Surplus of all nodes in the first answer. */
  #surplus: number | undefined;
  /** Numbers of closed clients after each answer. */
  readonly #closedAfter: number[] = [];
  #evenSteps = 0;

  /** @returns `even`, the reason why the nodes are not even, or undefined if another step is needed */
  judge({ even, missingNodes, nodes, total }: RebalanceResponse, dryRun: boolean): string | undefined {
    this.total = total;
    const ready = nodes.filter((node) => node.ready);
    const share = Math.ceil(total / Math.max(1, ready.length));
    const surplus = ready.reduce((sum, { clients }) => sum + Math.max(0, clients - share), 0);
    const before = (this.#surplus ??= surplus);
    // The others are on their way.
    const back = this.#closedAfter.at(-RETURN_STEPS) ?? 0;
    for (const { closing } of nodes) this.closed += closing;
    this.#closedAfter.push(this.closed);
    this.#evenSteps = even ? this.#evenSteps + 1 : 0;
    if (missingNodes.length > 0) return `nodes did not answer: ${missingNodes.join(", ")}`;
    if (ready.length < 2) return "there is no other node that is ready";
    if (dryRun) return even ? "even" : "uneven";
    if (this.#evenSteps >= EVEN_STEPS) return "even";
    const isJudged = back >= Math.max(MIN_CLOSED, before);
    // A load balancer that chooses at random moves one of so many closed clients as there are nodes.
    const isStuck = before - surplus < back / (4 * ready.length) || back > 2 * total + MIN_CLOSED;
    if (!even && isJudged && isStuck) {
      return "closed clients came back to the same nodes: check that the load balancer spreads new connections over all nodes";
    }
    return undefined;
  }
}

interface Shown {
  readonly closed: number;
  readonly outcome: string | undefined;
  readonly json: boolean;
}

function show({ nodes, total }: RebalanceResponse, { closed, json, outcome }: Shown): void {
  if (json) {
    const list = nodes.map(({ clients, closing, id, ready }) => ({ id, clients, ready, closing }));
    const result = outcome === undefined ? {} : { result: outcome };
    printJson({ nodes: list, total, closed, ...result });
    return;
  }
  if (outcome === undefined) {
    const loads = nodes.map(({ clients, closing }) => (closing > 0 ? `${clients} (closing ${closing})` : clients));
    note(`${total} clients: ${loads.join(", ")}`);
    return;
  }
  const rows = nodes.map(({ clients, id, ready }) => [id, String(clients), ready ? "ready" : "not ready"]);
  process.stdout.write(formatTable(["NODE", "CLIENTS", "STATE"], rows));
  if (outcome === "even") note(`the nodes are even; ${closed} clients were closed`);
  else note(`the nodes are not even: ${outcome}; ${closed} clients were closed`);
}

/** @throws CarillonError invalid_argument */
function parseCount(option: string, text: string | undefined): number {
  if (text === undefined) return 0;
  const value = Number(text);
  if (/^\d{1,6}$/.test(text) && value > 0) return value;
  throw new CarillonError("invalid_argument", `${option}: expected a positive integer`);
}
