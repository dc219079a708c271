import { progress } from "./progress.js";

/**
 * Measures all contenders in turn, round by round, so that other load on the machine affects all of them. The first round is a
 * warm-up and does not count; there is none when a single round is measured.
 * @returns results of each contender, in the order of contenders
 */
export async function race<Contender extends { readonly name: string }, Result>(
  what: string,
  rounds: number,
  contenders: readonly Contender[],
  measure: (contender: Contender) => Promise<Result>,
): Promise<Result[][]> {
  const results = contenders.map((): Result[] => []);
  for (let round = rounds === 1 ? 1 : 0; round <= rounds; round += 1) {
    for (const [position, contender] of contenders.entries()) {
      progress(`${what}: ${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}, ${contender.name}`);
      const result = await measure(contender);
      if (round > 0) results[position]?.push(result);
    }
  }
  return results;
}
