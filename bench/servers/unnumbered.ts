import { broadcasterEncoding } from "../../src/dialects/broadcaster/encode.js";
import { COUNT } from "../../src/dialects/dialect.js";

/** Runs a Carillon node whose broadcasts all have the same number, to measure the cost of `seq` by comparison. */
const textMaker = broadcasterEncoding.textMaker.bind(broadcasterEncoding);
Object.assign(broadcasterEncoding, {
  counted: false,
  textMaker: (topic: string) => {
    const makeText = textMaker(topic);
    return (message: Parameters<typeof makeText>[0]) => makeText(message).replace(COUNT, "1000");
  },
});
await import("./carillon.js");
