import { CASES, type Case } from './agents/cases.ts';
import { cacheFolder, installAgents } from './agents/install.ts';
import { openWorld, type World } from './agents/world.ts';

/**
 * `npm run test:agents [-- agent…]`: the real command lines of the vendors, in the versions the
 * adapters are written for, and the built-in agent, as runs of a real server on the simulator: in
 * the sandbox, which has no network, and through the model gateway. They are installed in
 * `$HOLDFAST_AGENTS_CACHE`, or below the user's cache folder.
 *
 * Prints a line for each case and agent, and which could not run and why; exit code 1 when
 * anything failed, was not installed, is another version, or was not isolated.
 */
let failures = 0;
const fail = (text: string) => {
  failures += 1;
  console.log(`✗ ${text}`);
};

const folder = cacheFolder();
for (const fault of installAgents(folder)) console.log(`✗ ${fault}`);
const world = await openWorld(folder);
try {
  const agents = await usable(world, process.argv.slice(2));
  for (const one of CASES) await runCase(world, one, agents);
} finally {
  await world.stop();
}
process.exitCode = failures > 0 ? 1 : 0;

/** The names of the wanted agents that are installed. */
async function usable({ host }: World, wanted: readonly string[]): Promise<string[]> {
  const all = await host.agents();
  const known = all.map(({ name }) => name);
  for (const name of wanted) {
    if (!known.includes(name)) fail(`no such agent: ${name}; there are ${known.join(', ')}`);
  }
  const chosen = all.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  for (const { title, available, version, wanted_version, install, isolated } of chosen) {
    if (!available) fail(`${title}: not run, it is not installed (${install})`);
    else if (!isolated) fail(`${title} ${version}: not isolated, bubblewrap does not work here`);
    else if (wanted_version !== null && version !== wanted_version) {
      fail(`${title} ${version}, but ${wanted_version} is wanted`);
    } else console.log(`${title} ${version}`);
  }
  return chosen.filter(({ available }) => available).map(({ name }) => name);
}

async function runCase(world: World, one: Case, agents: readonly string[]): Promise<void> {
  console.log(one.name);
  await one.before?.(world);
  const runs = agents.map(async agent => {
    const startedMs = performance.now();
    try {
      const note = await one.run(world, agent);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      console.log(`  ✓ ${agent}${note === undefined ? '' : `: ${note}`} (${seconds} s)`);
    } catch (error) {
      fail(`${agent}: ${error instanceof Error ? error.message : error}`);
    }
  });
  await Promise.all(runs);
  await one.after?.(world);
}
