import { setImmediate } from "node:timers/promises";
import type { Client } from "../clients/client.js";
import type { Outcome } from "../commands/command.js";
import type { CommandContext } from "../commands/command-context.js";
import { execute } from "../commands/execute.js";
import type { Received, Texts } from "../dialects/dialect.js";

/** Largest read of Node from a socket, in bytes. One more read may arrive after a connection was paused. */
export const READ_CHUNK_BYTES = 65_536;

/** Maximum number of one client's commands, and of bytes of their answers, in one turn of the event loop. */
const COMMANDS_A_TURN = 64;
const ANSWERS_A_TURN = 64 * 1_024;

/** Connection whose frames, of type `Item`, are commands. */
export interface CommandSource<Item> {
  readonly client: Client;
  decode(item: Item): Received;
  send(texts: Texts): void;
  /** Called when an item must wait for the preceding command. @param bytes - size of all waiting items */
  onWaiting(bytes: number): void;
  /** Called when all items have been executed, or dropped with the session. */
  onIdle(): void;
}

export interface CommandQueueContext {
  readonly commandContext: CommandContext;
  /** Maximum number of bytes of waiting items; a client that sends more is disconnected. */
  readonly waitingBytes: number;
  /** Number of consecutive malformed items that ends a connection. */
  readonly malformedFrames: number;
}

/**
 * Executes the commands of one connection one after the other, in the order sent. A client whose answers exceed its byte rate
 * is paused. The outbox disconnects a client that does not read its answers (L6).
 */
export class CommandQueue<Item> {
  readonly #source: CommandSource<Item>;
  readonly #context: CommandQueueContext;
  /** Undefined until the first item waits, so that most connections have no list. */
  #waiting: Item[] | undefined;
  #waitingBytes = 0;
  #busy = false;
  #malformedInARow = 0;
  #commands = 0;
  #answeredBytes = 0;

  constructor(source: CommandSource<Item>, context: CommandQueueContext) {
    this.#source = source;
    this.#context = context;
  }

  /** Whether a command is in progress. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Executes an item, after all preceding ones. */
  add(item: Item, bytes: number): void {
    if (!this.#busy) {
      void this.#run(item);
      return;
    }
    this.#waiting ??= [];
    this.#waiting.push(item);
    this.#waitingBytes += bytes;
    this.#source.onWaiting(this.#waitingBytes);
    if (this.#waitingBytes > this.#context.waitingBytes) this.#end("flooding");
  }

  /** Counts bytes sent to the client, including answers. */
  countSent(bytes: number): void {
    if (this.#busy) this.#answeredBytes += bytes;
  }

  /** Drops the waiting items of a connection that has ended. */
  clear(): void {
    this.#waiting = undefined;
  }

  async #run(first: Item): Promise<void> {
    const { session } = this.#source.client;
    this.#busy = true;
    for (let item: Item | undefined = first; item !== undefined && session.open; item = this.#waiting?.shift()) {
      await this.#execute(item);
      const pause = this.#nextPause();
      if (pause !== undefined) await pause;
    }
    this.#waiting = undefined;
    this.#waitingBytes = 0;
    this.#busy = false;
    this.#source.onIdle();
  }

  /** Executes the command of an item and answers it. Resolves when the next item may be executed. */
  async #execute(item: Item): Promise<void> {
    const source = this.#source;
    const { malformedFrames, commandContext } = this.#context;
    const received = source.decode(item);
    this.#malformedInARow = received.kind === "malformed" ? this.#malformedInARow + 1 : 0;
    if (received.kind === "command") {
      await execute(received.command, source.client, commandContext, (outcome: Outcome) => {
        source.send(received.answer(outcome));
      });
    } else {
      source.send(received.answer);
    }
    if (this.#malformedInARow >= malformedFrames) this.#end("malformed_frames");
  }

  /** @returns resolves when the next command may be executed; undefined when it may run now */
  #nextPause(): Promise<void> | undefined {
    this.#commands += 1;
    if (this.#commands < COMMANDS_A_TURN && this.#answeredBytes < ANSWERS_A_TURN) return undefined;
    const bytes = this.#answeredBytes;
    this.#commands = 0;
    this.#answeredBytes = 0;
    return this.#pause(bytes);
  }

  async #pause(bytes: number): Promise<void> {
    // The answers are written at the end of the turn.
    await setImmediate();
    const wait = this.#source.client.rates?.answeredBytes?.spend(bytes) ?? 0;
    if (wait === 0) return;
    await new Promise<void>((resolve) => {
      this.#context.commandContext.clock.after(wait, resolve);
    });
  }

  #end(reason: "flooding" | "malformed_frames"): void {
    this.#context.commandContext.hub.remove(this.#source.client.session, reason);
  }
}
