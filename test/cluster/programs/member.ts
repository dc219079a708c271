import { createMemberProgram, runProgram, say } from "../../support/nodes/member-program.js";

/** A node that answers `name` until it is killed. Prints the nodes that join and leave. */
const { bus, member, node } = createMemberProgram();
member.handle("name", () => node);
member.handle("note", () => null);
// This handler never answers.
member.handle("wait", () => new Promise(() => {}));
member.onNodes(({ alive, node: changed }) => {
  say(`${alive ? "+" : "-"}${changed}`);
});

async function main(): Promise<void> {
  await bus.start();
  await member.start();
  say("started");
}

runProgram(main);
