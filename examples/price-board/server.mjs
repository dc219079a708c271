// Publishes 1,000 prices a second, as a market's feed would.
import { createPublisher } from "carillon";
import { runExample } from "../support/run.mjs";
import { SYMBOLS } from "./symbols.js";

const RATE = 1_000;
/** Milliseconds between two batches. What is published in one turn shares a request. */
const INTERVAL = 20;
/** Unconfirmed prices from which on the feed waits: nobody needs old prices later. */
const MAX_PENDING = 2 * RATE;

await runExample(new URL("./", import.meta.url), {
  onStart({ grpc }) {
    const publisher = createPublisher({ url: grpc });
    const prices = SYMBOLS.map((_symbol, index) => 20 + ((index * 37) % 180));
    let next = 0;
    let due = 0;
    let last = performance.now();

    const publishNext = () => {
      const index = next % SYMBOLS.length;
      next += 1;
      prices[index] = Math.max(1, prices[index] * (1 + (Math.random() - 0.5) / 200));
      const message = { topic: `price.${SYMBOLS[index]}`, json: { price: Number(prices[index].toFixed(2)) } };
      // The next price replaces one that could not be published.
      publisher.publish(message).catch(() => {});
    };
    const timer = setInterval(() => {
      const now = performance.now();
      due = Math.min(due + ((now - last) * RATE) / 1_000, RATE);
      last = now;
      if (publisher.pending > MAX_PENDING) return;
      for (; due >= 1; due -= 1) publishNext();
    }, INTERVAL);

    return async () => {
      clearInterval(timer);
      await publisher.close();
    };
  },
});
