import { type Command, InvalidArgumentError } from "commander";
import type { CommandOption, CommandOutput, DialectCommand } from "../dialects/command-line.js";
import { CarillonError } from "../errors.js";
import { EXIT, fail, toExitCode } from "./exit-code.js";
import { note } from "./terminal/note.js";
import { escapeControls } from "./terminal/print.js";

/** Adds the command of a dialect. */
export function addDialectCommand(parent: Command, dialectCommand: DialectCommand): void {
  const { arguments: args = [], commands = [], description, name, options = [] } = dialectCommand;
  const command = parent.command(name).description(description);
  for (const argument of args) command.argument(argument.name, argument.description);
  for (const option of options) addOption(command, option);
  for (const inner of commands) addDialectCommand(command, inner);
  if (dialectCommand.run === undefined) return;
  command.action(async () => {
    await print(() => dialectCommand.run?.(command.args, command.opts<Readonly<Record<string, string>>>()));
  });
}

function addOption(command: Command, option: CommandOption): void {
  const { default: usual, description, flags } = option;
  command.option(
    flags,
    description,
    (text: string) => {
      const expected = option.check?.(text);
      if (expected !== undefined) throw new InvalidArgumentError(`Expected ${expected}.`);
      return text;
    },
    usual,
  );
}

async function print(run: () => Promise<CommandOutput> | undefined): Promise<void> {
  try {
    const { lines = [], notes = [] } = (await run()) ?? {};
    for (const text of notes) note(text);
    process.stdout.write(lines.map((line) => `${escapeControls(line)}\n`).join(""));
  } catch (error) {
    const wrongUsage = error instanceof CarillonError && error.code === "invalid_argument";
    fail(error, wrongUsage ? EXIT.usage : toExitCode(error));
  }
}
