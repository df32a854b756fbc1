import { execFile } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import type { AgentVersion } from './agent.ts';

/**
 * Finds a vendor's command line on this machine and its version. Each call searches again, so that
 * a program installed while the server runs is found.
 */
const VERSION_TIMEOUT_MS = 30_000;
const VERSION_OUTPUT_MAX_BYTES = 64 * 1024;
const VERSION = /\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?/;
const MODULES = '/node_modules/';

export interface Cli {
  /** The program, and the arguments that must come first. */
  readonly command: readonly string[];
  /** Paths that it must be able to read: its file, or the packages folder it is in. */
  readonly readOnlyPaths: readonly string[];
}

export interface CliPackage {
  readonly command: string;
  /** The npm package; undefined: how to install it is unknown. */
  readonly npm?: string;
  readonly version?: string;
}

/** Looks in `agentsDir` (as `npm install --prefix` fills it) and then on the PATH. */
export function findCli(command: string, agentsDir?: string): Cli | null {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  if (agentsDir !== undefined) folders.unshift(join(agentsDir, 'node_modules/.bin'), agentsDir);
  const files = isAbsolute(command) ? [command] : folders.map(folder => join(folder, command));
  const found = files.find(isExecutable);
  if (found === undefined) return null;
  const file = realpathSync(found);
  const modules = file.indexOf(MODULES);
  // Programs for Node run on the server's Node: the sandbox shows no other.
  const isForNode = /^#!.*\bnode\b/.test(firstBytes(file));
  return {
    command: isForNode ? [process.execPath, file] : [file],
    readOnlyPaths: [modules < 0 ? file : file.slice(0, modules + MODULES.length - 1)],
  };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function firstBytes(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(100);
    return buffer.subarray(0, readSync(descriptor, buffer)).toString('latin1');
  } finally {
    closeSync(descriptor);
  }
}

export function installCommand({ npm, version }: CliPackage): string | null {
  if (npm === undefined) return null;
  return `npm install -g ${npm}${version === undefined ? '' : `@${version}`}`;
}

/**
 * Runs the program with `--version`, and with nothing of the server's environment but the PATH.
 * Never rejects.
 */
export async function probeCli(wanted: CliPackage, cli: Cli | null): Promise<AgentVersion> {
  const version = cli === null ? null : await versionOf(cli);
  return {
    available: version !== null,
    version,
    wantedVersion: wanted.version ?? null,
    install: installCommand(wanted),
  };
}

const known = new Map<string, string>();

/** Some programs take a second to start, so the version of an unchanged file is cached. */
async function versionOf({ command }: Cli): Promise<string | null> {
  const [program, ...args] = command as [string, ...string[]];
  const file = command.at(-1)!;
  const key = `${file}:${statSync(file).mtimeMs}`;
  const answer = known.get(key);
  if (answer !== undefined) return answer;
  const options = {
    timeout: VERSION_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: VERSION_OUTPUT_MAX_BYTES,
    env: { PATH: process.env.PATH, HOME: tmpdir() },
    cwd: tmpdir(),
  } as const;
  try {
    const { stdout } = await promisify(execFile)(program, [...args, '--version'], options);
    const version = VERSION.exec(stdout)?.[0];
    if (version === undefined) return null;
    known.set(key, version);
    return version;
  } catch {
    return null;
  }
}
