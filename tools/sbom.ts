/**
 * `npm run sbom` writes `dist/sbom.cdx.json` (CycloneDX 1.5) and `dist/licences.md`: what runs in a
 * server and in its pages, from the lock file, and what binaries bundle. With `--check` it writes
 * nothing. Exit code 1 where a package breaks a rule (`supply/faults.ts`).
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Bill, billOf, licencePage } from './supply/bill.ts';
import { supplyFaults } from './supply/faults.ts';
import { lockedPackages } from './supply/lock.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUTPUT_MAX_BYTES = 64 * 1024 ** 2;

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter(arg => arg !== '--check');
  if (unknown.length > 0) {
    console.error(`sbom: unknown argument ${unknown.join(' ')} (there is only --check)`);
    return 2;
  }
  const packages = lockedPackages(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  const faults = supplyFaults(packages);
  for (const fault of faults) console.error(`sbom: ${fault}`);
  if (faults.length > 0) return 1;
  if (args.includes('--check')) return 0;
  const bill = billOf(await npmBill(), packages, process.versions);
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  await writeFile(join(ROOT, 'dist/sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);
  await writeFile(join(ROOT, 'dist/licences.md'), licencePage(packages));
  console.log(`sbom: dist/sbom.cdx.json, dist/licences.md (${bill.components.length} packages)`);
  return 0;
}

async function npmBill(): Promise<Bill> {
  const args = [
    'sbom',
    '--package-lock-only',
    '--sbom-format=cyclonedx',
    '--sbom-type=application',
  ];
  const { stdout } = await promisify(execFile)('npm', args, {
    cwd: ROOT,
    maxBuffer: OUTPUT_MAX_BYTES,
  });
  return JSON.parse(stdout) as Bill;
}

process.exitCode = await main(process.argv.slice(2));
