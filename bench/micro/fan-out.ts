import { FanOut } from "../../src/core/fan-out.js";
import { Hub } from "../../src/core/hub.js";
import { OutboxContext } from "../../src/core/outbox.js";
import type { Sink } from "../../src/core/ports.js";
import { Session } from "../../src/core/session.js";
import { Topic } from "../../src/core/topic.js";
import { DEFAULT_RULES } from "../../src/core/topic-rules.js";
import { Traffic } from "../../src/core/traffic.js";
import { nativeEncoding } from "../../src/dialects/native/encode.js";
import { getWebSocketEncoding } from "../../src/transport/websocket/encoding.js";
import type { Case } from "./cases.js";

/** Connection that accepts all bytes at once. */
const nowhere: Sink = { backlog: 0, write: () => {}, writeAll: () => {}, onceDrained: () => {}, end: () => {} };

/** Creates a case that delivers and flushes without sockets. */
export function createFanOutCase(sessions: number, messages: number): Case {
  const clock = { now: Date.now, monotonic: Date.now, after: () => () => {} };
  const outbox = new OutboxContext(2 ** 20, { disconnect: 0, drop_oldest: 0, latest: 0 });
  let samplesLeft = 10;
  // As `Metrics.observeDelivery` does for all but 10 writes in 100 ms.
  const onWritten = (): void => {
    if (samplesLeft > 0) samplesLeft -= 1;
  };
  const fanOut = new FanOut({ endOfTurn: () => {}, clock, outbox, onSlow: () => {}, onWritten });
  const hub = new Hub(fanOut, () => {});
  const topic = new Topic(
    { vhost: "/", broker: "memory", name: "orders.42", traffic: new Traffic(), delivery: fanOut },
    DEFAULT_RULES,
  );
  const encoding = getWebSocketEncoding(nativeEncoding, false);
  for (let count = 0; count < sessions; count += 1) {
    const session = new Session({ id: String(count), vhost: "/", encoding, sink: nowhere, outbox });
    hub.add(session);
    hub.join(session, topic);
  }
  const message = { id: "0123456789ab-1", event: "", sender: "", time: 0, payload: Buffer.from("x".repeat(100)) };
  return {
    name: `deliver and flush, ${messages} per turn, ${sessions} sessions`,
    run() {
      for (let count = 0; count < messages; count += 1) fanOut.deliver(topic, message);
      fanOut.flush();
      outbox.turn += 1;
    },
  };
}
