/** Command that a dialect adds to the command line. */
export interface DialectCommand {
  readonly name: string;
  readonly description: string;
  readonly arguments?: readonly { readonly name: string; readonly description: string }[];
  readonly options?: readonly CommandOption[];
  /** Subcommands. */
  readonly commands?: readonly DialectCommand[];
  /**
   * @param args - in the order of `arguments`
   * @param flags - values of the options, by name
   * @throws CarillonError invalid_argument: wrong usage; anything else: the command failed
   */
  run?(args: readonly string[], flags: Readonly<Record<string, string>>): Promise<CommandOutput>;
}

export interface CommandOption {
  /** For example `--ca <file>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string;
  /** Returns a description of the expected value; undefined if the value is valid. */
  check?(value: string): string | undefined;
}

/** Output of a command: lines for stdout, and notes for people, on stderr. */
export interface CommandOutput {
  readonly lines: readonly string[];
  readonly notes?: readonly string[];
}
