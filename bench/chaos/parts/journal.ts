/** Messages that a client received on a topic and that must be one stretch of the stored messages, without a gap. */
export interface Run {
  /** Position in the answer to the join; undefined if there was none. */
  readonly from: string | undefined;
  /** Reason of the refused recovery with which the run began; undefined for none. */
  readonly refusal: string | undefined;
  readonly messages: string[];
  /** Numbers of messages received before each successful recovery. */
  readonly recoveries: number[];
  /** Whether the client has been told that messages are missing after this run, or is a client that does not ask. */
  ended: boolean;
}

/** Everything that a client has received on one topic. */
export class Journal {
  readonly runs: Run[] = [];

  /** Begins a run: the first one, or one after a recovery that was refused. */
  begin(from: string | undefined, refusal?: string): void {
    this.end();
    this.runs.push({ from, refusal, messages: [], recoveries: [], ended: false });
  }

  /** Continues the run after a successful recovery. */
  recover(): void {
    const run = this.runs.at(-1);
    run?.recoveries.push(run.messages.length);
  }

  end(): void {
    const run = this.runs.at(-1);
    if (run !== undefined) run.ended = true;
  }

  add(message: string): void {
    this.runs.at(-1)?.messages.push(message);
  }

  /** Whether the client has left for good. */
  get isOver(): boolean {
    return this.runs.at(-1)?.ended === true;
  }

  get last(): string | undefined {
    return this.runs.at(-1)?.messages.at(-1);
  }
}
