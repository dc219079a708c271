const UNITS = ["", "k", "M", "G", "T", "P"] as const;

/** Formats a number in at most 5 characters: `0.4`, `950`, `12.3k`. */
export function formatQuantity(value: number): string {
  return scale(value, 1_000);
}

/** Formats a number of bytes: `950B`, `12.3KiB`. */
export function formatBytes(value: number): string {
  const text = scale(value, 1_024);
  return /[a-z]$/i.test(text) ? `${text.replace("k", "K")}iB` : `${text}B`;
}

function scale(value: number, base: number): string {
  let rest = Math.max(0, value);
  let unit = 0;
  // 999.96 would be rounded to 1000.
  while (rest >= base * 0.9995 && unit < UNITS.length - 1) {
    rest /= base;
    unit += 1;
  }
  const digits = rest !== 0 && rest < 99.95 && !(unit === 0 && Number.isInteger(rest)) ? 1 : 0;
  return rest.toFixed(digits) + UNITS[unit];
}

/** Formats a duration by its two largest units: `3d 4h`, `12m 5s`. @param seconds - whole number */
export function formatUptime(seconds: number): string {
  const [d, h, m, s] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  if (d > 0) return `${d}d ${h}h`;
  if (h > 0) return `${h}h ${m}m`;
  return m > 0 ? `${m}m ${s}s` : `${s}s`;
}
