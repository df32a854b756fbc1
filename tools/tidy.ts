import { fileURLToPath } from 'node:url';
import { EXCEPTIONS } from './tidy/exceptions.ts';
import { loadProject } from './tidy/project.ts';
import { checkAll, showFault } from './tidy/rules.ts';

/**
 * `npm run tidy`: the house rules as a check. Prints each fault and each warning with its place;
 * exit code 1 when there is a fault. What the rules are stands in `tidy/rules/`, what may break
 * them, and why, in `tidy/exceptions.ts`.
 */
const project = loadProject(fileURLToPath(new URL('..', import.meta.url)));
const found = checkAll(project, EXCEPTIONS);
const warnings = found.filter(fault => fault.isWarning);
const faults = found.filter(fault => !fault.isWarning);
for (const fault of [...warnings, ...faults]) console.error(showFault(fault));
console.log(
  `tidy: ${project.files.length} files, ${faults.length} faults, ${warnings.length} warnings`,
);
process.exitCode = faults.length > 0 ? 1 : 0;
