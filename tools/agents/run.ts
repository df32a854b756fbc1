import { createAgents } from '../../packages/server/src/runs/agents/index.ts';
import { openWorkbench } from '../../packages/server/src/runs/agents/testing/workbench.ts';
import { CASES } from './cases.ts';
import { openScripted } from './models.ts';

/**
 * `node run.ts <folder with the agents> [agent…]`: every case on every agent, one after the other.
 * Prints a line for each; exit code 1 when one failed, was not installed or is another version.
 */
const [agentsDir, ...wanted] = process.argv.slice(2);
const agents = createAgents({ isolated: true, agentsDir, models: { builtin: 'test-model' } });
const known = agents.map(({ name }) => name);
const unknown = wanted.filter(name => !known.includes(name));
let failures = unknown.length;
if (unknown.length > 0) console.log(`✗ no such agent: ${unknown}; there are ${known.join(', ')}`);

for (const agent of agents) {
  if (wanted.length > 0 && !wanted.includes(agent.name)) continue;
  const { available, version, wantedVersion, install } = await agent.probe();
  if (!available) {
    failures += 1;
    console.log(`✗ ${agent.title}: not run, it is not installed (${install})`);
    continue;
  }
  const isWanted = wantedVersion === null || version === wantedVersion;
  if (!isWanted) failures += 1;
  console.log(`${agent.title} ${version}${isWanted ? '' : `, but ${wantedVersion} is wanted`}`);
  for (const [name, check] of Object.entries(CASES)) {
    const bench = openWorkbench({ 'greet.txt': 'hey you\n' });
    const startedMs = performance.now();
    try {
      await check({ agent, bench, openModels: openScripted });
      console.log(`  ✓ ${name} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failures += 1;
      console.log(`  ✗ ${name}: ${error instanceof Error ? error.message : error}`);
    } finally {
      bench.close();
    }
  }
}
process.exitCode = failures > 0 ? 1 : 0;
