import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cacheFolder, installAgents } from './agents/install.ts';

/**
 * `npm run test:agents [-- agent…]`: the real command lines of the vendors, in the versions the
 * adapters are written for, against a scripted model at the paths of the model gateway: edit,
 * follow-up with resume, cancel, hang, model error, budget end, refused connection. They are
 * installed in `$HOLDFAST_AGENTS_CACHE`, or below the user's cache folder.
 *
 * Where bubblewrap works, everything runs without any network but loopback, which proves that no
 * agent needs another; where it does not, that is said.
 */
const OFFLINE = ['--dev-bind', '/', '/', '--unshare-net', '--die-with-parent'];

const folder = cacheFolder();
for (const fault of installAgents(folder)) console.log(`✗ ${fault}`);
const runner = fileURLToPath(new URL('agents/run.ts', import.meta.url));
const command = [process.execPath, runner, folder, ...process.argv.slice(2)];
const isOffline = spawnSync('bwrap', [...OFFLINE, 'true']).status === 0;
if (!isOffline) console.log('The network is not cut off: bubblewrap does not work here.');
const [program, ...args] = isOffline ? ['bwrap', ...OFFLINE, ...command] : command;
process.exitCode = spawnSync(program!, args, { stdio: 'inherit' }).status ?? 1;
