import type { Socket as EngineSocket } from "engine.io";
import { PACKETS_A_POLL, type PollPart } from "./frames.js";
import type { Polls } from "./polls.js";

interface WaitingPart {
  readonly part: PollPart;
  readonly onTaken: (() => void) | undefined;
}

/**
 * Queue of packets of all sessions for one polling client. Each answer has a limited number of packets, and the next ones
 * follow when the client has received it. The library itself would put all of them into one answer. It receives each part in
 * both forms, as text and as frames, because the client may have upgraded to a WebSocket meanwhile.
 */
export class PollQueue {
  readonly #connection: EngineSocket;
  readonly #polls: Polls;
  readonly #waiting: WaitingPart[] = [];
  /** Number of parts that were passed to the library and that the client has not received yet. */
  #pending = 0;

  constructor(connection: EngineSocket, polls: Polls) {
    this.#connection = connection;
    this.#polls = polls;
  }

  /** @param onTaken - called when the client has received all parts */
  write(parts: readonly PollPart[], onTaken: () => void): void {
    for (const [at, part] of parts.entries()) {
      this.#waiting.push({ part, onTaken: at === parts.length - 1 ? onTaken : undefined });
    }
    this.#next();
  }

  /** Passes all waiting parts to the library, before a packet that follows them. */
  flush(): void {
    for (const waiting of this.#waiting.splice(0)) this.#give(waiting);
  }

  #next(): void {
    if (this.#pending > 0) return;
    let room = PACKETS_A_POLL;
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || first.part.packets.length > room) return;
      room -= first.part.packets.length;
      this.#waiting.shift();
      this.#give(first);
    }
  }

  #give({ onTaken, part }: WaitingPart): void {
    this.#pending += 1;
    const onGone = (): void => {
      this.#pending -= 1;
      onTaken?.();
      this.#next();
    };
    writePart(this.#connection, part, ({ name }) => {
      if (name === "websocket") onGone();
      else this.#polls.whenTaken(onGone);
    });
  }
}

type OnSent = (transport: { readonly name: string }) => void;

function writePart(connection: EngineSocket, { frames, packets, text }: PollPart, onSent: OnSent): void {
  if (connection.protocol !== 3) {
    connection.write(text, createWriteOptions(frames), onSent);
    return;
  }
  for (const [at, { data, frame }] of packets.entries()) {
    // The library encodes bytes as the transport requires.
    const options: PacketWriteOptions =
      typeof data === "string" ? createWriteOptions(frame) : { compress: false, ours: true };
    connection.write(data, options, at === packets.length - 1 ? onSent : undefined);
  }
}

/** Options of a write to the library. */
export interface PacketWriteOptions {
  readonly compress: false;
  /** Marks a packet of a session, which the session's outbox bounds. */
  readonly ours: true;
  /** Frames that are written to a WebSocket unchanged, as the library's own adapter does with broadcasts. */
  readonly wsPreEncodedFrame?: readonly Uint8Array[];
}

export function createWriteOptions(frames: Uint8Array): PacketWriteOptions {
  return { compress: false, ours: true, wsPreEncodedFrame: [frames] };
}
