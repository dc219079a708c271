// Number of colours (classes tone-0 to tone-5) that tell topics apart at a glance.
const TONES = 6;

const tones = new Map();

/** The class that colours this topic. By order of appearance and not by a hash, so that the first ones all differ. */
export function toneOf(topic) {
  let tone = tones.get(topic);
  if (tone === undefined) {
    tone = `tone-${tones.size % TONES}`;
    tones.set(topic, tone);
  }
  return tone;
}
