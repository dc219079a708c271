// Number of colours (classes tone-0 to tone-5) that tell topics apart at a glance.
const TONES = 6;

const tones = new Map();

/** Returns the CSS class of a topic, by order of appearance, so that the first topics all differ. */
export function toneOf(topic) {
  let tone = tones.get(topic);
  if (tone === undefined) {
    tone = `tone-${tones.size % TONES}`;
    tones.set(topic, tone);
  }
  return tone;
}
