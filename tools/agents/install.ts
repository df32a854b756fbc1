import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CLAUDE } from '../../packages/server/src/runs/agents/claude/agent.ts';
import { CODEX } from '../../packages/server/src/runs/agents/codex/agent.ts';
import { GEMINI } from '../../packages/server/src/runs/agents/gemini/agent.ts';

/** The pinned command lines of the vendors, outside the repository: they are 700 MB together. */
const PACKAGES = [CLAUDE, CODEX, GEMINI];

export function cacheFolder(): string {
  const { HOLDFAST_AGENTS_CACHE, XDG_CACHE_HOME } = process.env;
  return (
    HOLDFAST_AGENTS_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'holdfast/agents')
  );
}

/** Installs what is not there in its version. Returns what could not be installed, and why. */
export function installAgents(folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  const missing = PACKAGES.filter(({ npm, version }) => installed(folder, npm) !== version);
  if (missing.length === 0) return [];
  const wanted = missing.map(({ npm, version }) => `${npm}@${version}`);
  console.log(`Installing ${wanted.join(', ')} in ${folder}`);
  const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', ...wanted];
  const { stderr } = spawnSync('npm', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  return missing
    .filter(({ npm, version }) => installed(folder, npm) !== version)
    .map(({ npm }) => `${npm} could not be installed: ${String(stderr).trim().slice(-500)}`);
}

function installed(folder: string, npm: string): string | null {
  try {
    const manifest = readFileSync(join(folder, 'node_modules', npm, 'package.json'), 'utf8');
    return (JSON.parse(manifest) as { version: string }).version;
  } catch {
    return null;
  }
}
