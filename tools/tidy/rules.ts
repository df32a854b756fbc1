import type { Exception, Fault, Rule } from './fault.ts';
import type { Project } from './project.ts';
import { directions } from './rules/directions.ts';
import { linksExist } from './rules/links.ts';
import { promisesAreShown } from './rules/promises.ts';
import { sizes } from './rules/sizes.ts';

import { sqlInStores } from './rules/sql.ts';
import { ownStyles } from './rules/styles.ts';
import { noLeftOutTests } from './rules/tests.ts';
import { plainText } from './rules/text.ts';
import { equalTranslations } from './rules/translations.ts';

const RULES: readonly Rule[] = [
  sizes,
  directions,
  sqlInStores,
  noLeftOutTests,
  plainText,
  equalTranslations,
  ownStyles,
  linksExist,
  promisesAreShown,
];

/** All faults that no exception allows, and the exceptions that allow nothing. */
export function checkAll(project: Project, exceptions: readonly Exception[]): Fault[] {
  const used = new Set<Exception>();
  const faults = RULES.flatMap(rule => [...rule(project)]).filter(fault => {
    const allowed = exceptions.find(e => e.rule === fault.rule && e.file === fault.file);
    if (allowed) used.add(allowed);
    return !allowed || fault.isFinal;
  });
  const stale = exceptions
    .filter(exception => !used.has(exception))
    .map(({ rule, file }) => ({
      rule: 'stale-exception',
      file,
      message: `does not break "${rule}" (any more): remove its exception`,
    }));
  return [...faults, ...stale];
}

export function showFault({ file, line, rule, message, isWarning }: Fault): string {
  const place = `${file}${line === undefined ? '' : `:${line}`}`;
  return `${place}: ${isWarning ? 'warning: ' : ''}${message} [${rule}]`;
}
