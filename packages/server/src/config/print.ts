import { crossCheck, readDotenv, renderEffective, resolveSettings } from './index.ts';

/**
 * `npm run config`: prints the effective settings, masked, and where each came from. Exit code 1
 * when they have faults, which it lists.
 */
const resolved = resolveSettings(process.env, readDotenv('.env'));
console.log(renderEffective(resolved));
const faults = [...resolved.faults, ...crossCheck(resolved.values)];
if (faults.length > 0) {
  console.error(['Faults:', ...faults.map(fault => `  - ${fault}`)].join('\n'));
  process.exitCode = 1;
}
