import type { Socket as EngineSocket } from "engine.io";
import { PACKETS_A_POLL, type PollPart } from "./frames.js";
import type { Polls } from "./polls.js";

interface WaitingPart {
  readonly part: PollPart;
  readonly onTaken: (() => void) | undefined;
}

/**
 * Packets of all sessions for one polling client: a limited number in each answer, and the next ones when the client has taken them. The
 * library would put all of them into one answer. It gets both forms, because the client may have upgraded to a WebSocket meanwhile.
 */
export class PollQueue {
  readonly #connection: EngineSocket;
  readonly #polls: Polls;
  readonly #waiting: WaitingPart[] = [];
  /** Parts passed to the library that the client has not taken yet. */
  #underWay = 0;

  constructor(connection: EngineSocket, polls: Polls) {
    this.#connection = connection;
    this.#polls = polls;
  }

  /** @param onTaken - called when the client has taken all parts */
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
    if (this.#underWay > 0) return;
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
    this.#underWay += 1;
    const onGone = (): void => {
      this.#underWay -= 1;
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
    connection.write(text, ready(frames), onSent);
    return;
  }
  for (const [at, { data, frame }] of packets.entries()) {
    // The library writes bytes in the form that the transport requires.
    const options: PacketWriteOptions = typeof data === "string" ? ready(frame) : { compress: false, ours: true };
    connection.write(data, options, at === packets.length - 1 ? onSent : undefined);
  }
}

/** Options of a write. */
export interface PacketWriteOptions {
  readonly compress: false;
  /** Whether a session's outbox bounds it. */
  readonly ours: true;
  /** Written to a WebSocket as it is: the library's own adapter does so with broadcasts. */
  readonly wsPreEncodedFrame?: readonly Uint8Array[];
}

export function ready(frames: Uint8Array): PacketWriteOptions {
  return { compress: false, ours: true, wsPreEncodedFrame: [frames] };
}
