/** Instruction of a Dockerfile. */
export interface Instruction {
  readonly keyword: string;
  readonly text: string;
}

/** Stage of a Dockerfile. */
export interface Stage {
  /** Name of the stage; undefined for one that is not named. */
  readonly name: string | undefined;
  readonly image: string;
  readonly instructions: readonly Instruction[];
}

/** Reads the stages of a Dockerfile. @throws Error for an instruction before the first FROM */
export function readStages(dockerfile: string): readonly Stage[] {
  const joined = dockerfile.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n\s*/g, "");
  const stages: { name: string | undefined; image: string; instructions: Instruction[] }[] = [];
  for (const line of joined.split("\n")) {
    const [, keyword = "", text = ""] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    const [image = "", name] = text.split(/\s+AS\s+/);
    if (keyword === "FROM") stages.push({ name, image, instructions: [] });
    else if (keyword === "" && line.trim() !== "") throw new Error(`unknown instruction: ${line}`);
    else if (keyword !== "") requireLast(stages).instructions.push({ keyword, text });
  }
  return stages;
}

/** Texts of all instructions of a kind. */
export function textsOf({ instructions }: Stage, keyword: string): readonly string[] {
  return instructions.filter((instruction) => instruction.keyword === keyword).map(({ text }) => text);
}

/** Reads an instruction in exec form. @throws Error when it is missing or has another form, which would need a shell */
export function execFormOf(stage: Stage, keyword: string): readonly string[] {
  const [text] = textsOf(stage, keyword);
  const [form] = /\[.*\]$/.exec(text ?? "") ?? [];
  if (form === undefined) throw new Error(`${keyword} is not in exec form: ${text}`);
  return JSON.parse(form) as readonly string[];
}

/** Reads the variables of ENV. */
export function variablesOf(stage: Stage): Readonly<Record<string, string>> {
  const pairs = textsOf(stage, "ENV").flatMap((text) => text.split(/\s+/).map((pair) => pair.split("=")));
  return Object.fromEntries(pairs.map(([name = "", value = ""]) => [name, value]));
}

function requireLast<T>(list: readonly T[]): T {
  const last = list.at(-1);
  if (last === undefined) throw new Error("an instruction before FROM");
  return last;
}
