import { broadcasterEncoding } from "../../src/dialects/broadcaster/encode.js";
import { COUNT } from "../../src/dialects/dialect.js";

/** Runs a Carillon node whose broadcasts all have the same number, to measure the cost of `seq` by comparison. */
const numberedText = broadcasterEncoding.text.bind(broadcasterEncoding);
Object.assign(broadcasterEncoding, {
  counted: false,
  text: (...message: Parameters<typeof numberedText>) => numberedText(...message).replace(COUNT, "1000"),
});
await import("./carillon.js");
