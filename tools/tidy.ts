import { fileURLToPath } from 'node:url';
import { EXCEPTIONS } from './tidy/exceptions.ts';
import { loadProject } from './tidy/project.ts';
import { checkAll, showFault } from './tidy/rules.ts';

/**
 * `npm run tidy`: the house rules as a check. Prints each fault with its place; exit code 1 when
 * there is one. What the rules are stands in `tidy/rules/`, what may break them, and why, in
 * `tidy/exceptions.ts`.
 */
const project = loadProject(fileURLToPath(new URL('..', import.meta.url)));
const faults = checkAll(project, EXCEPTIONS);
for (const fault of faults) console.error(showFault(fault));
console.log(`tidy: ${project.files.length} files, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
