import { createCarillon } from "../../src/index.js";
import { answer } from "../support/child.js";

/** A Carillon node on memory, as it is run, but for the log. */
const carillon = createCarillon({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", log: { level: "error" } });

answer({
  async start() {
    await carillon.start();
    const { addresses } = carillon;
    return { port: Number(new URL(addresses?.http ?? "").port), grpc: addresses?.grpc };
  },
});
