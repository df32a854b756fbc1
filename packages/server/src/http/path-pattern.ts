/** Matches request paths against route patterns: literal segments, `:name`, and a final `*`. */
export interface PathPattern {
  readonly pattern: string;
  /** The decoded parameters, or null when the path does not match or is wrongly encoded. */
  match(path: string): Record<string, string> | null;
}

export function compilePath(pattern: string): PathPattern {
  const wanted = pattern.split('/');
  const open = wanted.at(-1) === '*';
  if (open) wanted.pop();
  return {
    pattern,
    match(path) {
      const given = path.split('/');
      if (open ? given.length <= wanted.length : given.length !== wanted.length) return null;
      const params: Record<string, string> = {};
      for (const [index, segment] of wanted.entries()) {
        const value = given[index] ?? '';
        if (!segment.startsWith(':')) {
          if (segment !== value) return null;
          continue;
        }
        const decoded = decode(value);
        if (!decoded) return null;
        params[segment.slice(1)] = decoded;
      }
      return params;
    },
  };
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
