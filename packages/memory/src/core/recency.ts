/** The years RFC 3339 can write, 0000 to 9999. */
const firstMs = -62_167_219_200_000;
const endMs = 253_402_300_800_000;

/**
 * Orders memories by time within [0,1]: the share of the years 0000 to 9999 that lies before them. It compares across
 * spaces and keeps milliseconds apart; its size says nothing about a match.
 */
export function recencyOf(whenMs: number): number {
  return Math.min(1, Math.max(0, (whenMs - firstMs) / (endMs - firstMs)));
}
