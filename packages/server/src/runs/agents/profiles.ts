import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { HoldfastError } from '../../kernel/index.ts';
import type { AgentContext } from './agent.ts';

/**
 * The operator's agents (`agents.json`): further programs that speak the Agent Client Protocol. The
 * file holds no secrets; a program gets the run's token under the names it expects.
 */
export const PROFILES_MAX = 20;
const OWN_AGENTS = ['builtin', 'claude-code', 'codex', 'gemini-cli'] as const;

const profile = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'lower-case letters, digits and -'),
  title: z.string().trim().min(1).max(100),
  command: z
    .string()
    .min(1)
    .max(500)
    .regex(/^(\/|[^/]+$)/, 'a name on the PATH or an absolute path')
    .describe('The program: a name on the PATH or an absolute path.'),
  args: z.array(z.string().max(1000)).max(50).default([]).describe('Such as `--acp`.'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/), z.string().max(1000))
    .default({})
    .describe(
      "Its environment beside `HOME`. `{token}` becomes the run's token, `{gateway}` the model " +
        "gateway's address (as in `{gateway}/model/openai/v1`), `{home}` the run's home.",
    ),
  read_only_paths: z
    .array(z.string().min(2).max(500).regex(/^\//, 'an absolute path'))
    .max(20)
    .default([])
    .describe('Further paths of the host that it must be able to read in the sandbox.'),
  version: z.string().max(50).optional().describe('The version that is wanted.'),
});

export const agentsFile = z
  .strictObject({
    $schema: z.string().optional(),
    agents: z.array(profile).max(PROFILES_MAX),
  })
  .superRefine(({ agents }, context) => {
    const taken = new Set<string>(OWN_AGENTS);
    agents.forEach(({ name }, index) => {
      if (taken.has(name)) {
        const message = `the name ${name} is taken`;
        context.addIssue({ code: 'custom', path: ['agents', index, 'name'], message });
      }
      taken.add(name);
    });
  });
export type AgentProfile = z.infer<typeof agentsFile>['agents'][number];

/** Checks parsed JSON; one error names every fault with its place. */
export function parseAgentProfiles(value: unknown): AgentProfile[] {
  const result = agentsFile.safeParse(value);
  if (result.success) return result.data.agents;
  const faults = result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`);
  throw new HoldfastError('invalid_request', `agents.json: ${faults.join('; ')}.`);
}

/** Reads and checks the operator's file. */
export async function loadAgentProfiles(path: string): Promise<AgentProfile[]> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const message = `Cannot read the agents file ${path} as JSON.`;
    throw new HoldfastError('invalid_request', message, { cause });
  }
  return parseAgentProfiles(value);
}

/** A profile's environment for one run. */
export function profileEnvironment(
  { env }: AgentProfile,
  { token, gatewayUrl, homeDir }: Pick<AgentContext, 'token' | 'gatewayUrl' | 'homeDir'>,
): Record<string, string> {
  const values: Readonly<Record<string, string>> = { token, gateway: gatewayUrl, home: homeDir };
  const filled = Object.entries(env).map(([name, value]) => [
    name,
    value.replace(/\{(token|gateway|home)\}/g, (_, key: string) => values[key]!),
  ]);
  return Object.fromEntries(filled);
}
