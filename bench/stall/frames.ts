import { type Attack, exchange, namedObjects, names, shortTexts } from "./attack.js";

/** Large frames of clients. */
export const FRAMES: readonly Attack[] = [
  {
    name: "a frame of 1 MiB of nested lists",
    run: (node, size) => exchange(node, ["[".repeat(1_000_000 * size)]),
  },
  {
    name: "a frame of 131,000 nested lists",
    run: (node, size) => {
      const count = 131_000 * size;
      return exchange(node, [`${"[".repeat(count)}${"]".repeat(count)}`]);
    },
  },
  {
    name: "a frame of 1 MiB of 60,000 distinct member names",
    run: (node, size) => {
      const members = names(60_000 * size).map((name) => [name, 1]);
      return exchange(node, [JSON.stringify(Object.fromEntries(members))]);
    },
  },
  {
    name: "a frame of 1 MiB of objects with distinct member names",
    run: (node, size) => exchange(node, [JSON.stringify(namedObjects(90_000 * size))]),
  },
  {
    name: "a frame of 1 MiB of distinct short strings",
    run: (node, size) => exchange(node, [JSON.stringify(shortTexts(150_000 * size))]),
  },
  {
    name: "a frame of distinct names and short strings, the accepted maximum",
    run: (node, size) =>
      exchange(node, [JSON.stringify({ names: namedObjects(13_500 * size), texts: shortTexts(50_000 * size) })]),
  },
];
