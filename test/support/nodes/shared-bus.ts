import { LocalBus } from "../../../src/cluster/local-bus.js";

/** A bus for several members in this process: what can be shown without a network is. */
export class SharedBus extends LocalBus {
  override readonly shared = true;
  /** Nobody hears anything. */
  muted = false;
  /** Whether a message is lost. */
  loses: (subject: string, data: Uint8Array) => boolean = () => false;

  override publish(subject: string, data: Uint8Array): void {
    if (!this.muted && !this.loses(subject, data)) super.publish(subject, data);
  }

  override offer(subject: string, data: Uint8Array, id: string): void {
    if (!this.muted && !this.loses(subject, data)) super.offer(subject, data, id);
  }
}

/** One that has been started. Faults of those who listen are thrown. */
export async function startSharedBus(): Promise<SharedBus> {
  const bus = new SharedBus((message) => {
    throw new Error(message);
  });
  await bus.start();
  return bus;
}
