/** A line of a family: `# HELP name …`, `# TYPE name …`, or a sample `name{labels} value`. */
const COMMENT = /^# (?:HELP|TYPE) (\S+) /;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
/** What the samples of a histogram have behind its name. */
const HISTOGRAM_ENDING = /_(?:bucket|count|sum)$/;

interface Family {
  readonly head: Set<string>;
  readonly samples: string[];
}

/**
 * One exposition in Prometheus' text format from those of several processes, distinguished by the
 * label `process`. All samples of a metric stand together below one description, as the format
 * demands; names and all other labels stay. Lines that are not in the format are left out.
 */
export function mergeMetrics(texts: Readonly<Record<string, string>>): string {
  const families = new Map<string, Family>();
  const familyOf = (name: string) => {
    const family = families.get(name) ?? { head: new Set(), samples: [] };
    families.set(name, family);
    return family;
  };
  for (const [process, text] of Object.entries(texts)) {
    let described = '';
    for (const line of text.split('\n')) {
      const comment = COMMENT.exec(line);
      const [, name, labels, value] = SAMPLE.exec(line) ?? [];
      if (comment !== null) {
        described = comment[1]!;
        familyOf(described).head.add(line);
      } else if (name !== undefined) {
        const isPart = name.replace(HISTOGRAM_ENDING, '') === described;
        const all = [`process="${process}"`, ...(labels ? [labels] : [])].join(',');
        familyOf(isPart ? described : name).samples.push(`${name}{${all}} ${value}`);
      }
    }
  }
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]);
  return `${lines.join('\n')}\n`;
}
