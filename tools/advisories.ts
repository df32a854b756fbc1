/**
 * `npm run advisories` asks the npm registry for advisories about every package of the lock file.
 * Exit codes: 0 none is known, 1 there are some, 3 not checked: the registry was not reached or
 * does not answer such questions. No registry knows what binaries bundle:
 * docs/guide/supply-chain.md.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TIMEOUT_MS = 120_000;
const FOUND = 1;
const NOT_CHECKED = 3;

interface Advisory {
  readonly title: string;
  readonly url: string;
  readonly range: string;
  readonly severity: string;
}

interface Report {
  /** One of them is set where there is no report. */
  readonly message?: string;
  readonly error?: { readonly summary: string };
  readonly vulnerabilities?: Readonly<
    Record<string, { readonly via: readonly (string | Advisory)[] }>
  >;
}

async function main(): Promise<number> {
  const report = await audit();
  if (report.vulnerabilities === undefined) {
    const why = report.message || report.error?.summary || 'npm gave no report';
    console.error(`advisories: not checked: ${why}`);
    return NOT_CHECKED;
  }
  const lines = Object.entries(report.vulnerabilities).flatMap(([name, { via }]) =>
    via.flatMap(one =>
      typeof one === 'string'
        ? []
        : [`${one.severity}: ${name} ${one.range}: ${one.title} ${one.url}`],
    ),
  );
  for (const line of lines) console.log(line);
  console.log(`advisories: ${lines.length} for packages of the lock file`);
  console.log('advisories: not checked: what binaries bundle (docs/guide/supply-chain.md)');
  return lines.length > 0 ? FOUND : 0;
}

/** Where npm is set to be offline it would report that nothing is known, without having asked. */
async function audit(): Promise<Report> {
  const args = ['audit', '--json', '--package-lock-only', '--offline=false', '--fetch-retries=0'];
  const npm = spawn('npm', args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'ignore'],
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const failed = new Promise<Report>(resolve => {
    npm.once('error', error => resolve({ message: error.message }));
  });
  const reported = text(npm.stdout).then(json => {
    try {
      return JSON.parse(json) as Report;
    } catch {
      return {};
    }
  });
  return Promise.race([failed, reported]);
}

process.exitCode = await main();
