/** How many colours the servers share. */
export const HUES = 6;

/** The same server has the same colour in every picture and on every visit. */
export function hueOf(name: string): number {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
  return hash % HUES;
}
