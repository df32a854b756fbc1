/** What people read once everything runs. */
export interface BannerFacts {
  /** Where browsers on this machine reach the server. */
  readonly url: string;
  /** Null: people sign in at the identity provider. */
  readonly adminToken: string | null;
  readonly simulated: boolean;
  /** Null: the pages are there. */
  readonly consoleFault: string | null;
}

export function banner(facts: BannerFacts): string {
  const { url } = facts;
  const link = facts.adminToken === null ? url : `${url}/auth/local?token=${facts.adminToken}`;
  const lines = ['', '  Holdfast is running.', '', `  Console   ${link}`];
  if (facts.adminToken !== null) {
    lines.push(
      '            (this link works once and makes you an Admin; later: the address alone)',
    );
  }
  lines.push(`  API       ${url}/v1`);
  lines.push(...modelLines(facts.simulated));
  if (facts.consoleFault !== null) {
    lines.push('', '  The console could not be built; everything else works:', '');
    lines.push(...facts.consoleFault.split('\n').map(line => `    ${line}`));
  }
  lines.push('', '  Ctrl-C stops everything.', '');
  return lines.join('\n');
}

function modelLines(simulated: boolean): string[] {
  if (!simulated) return [];
  return [
    '  Model     simulated: it speaks the protocol, but it understands nothing',
    '',
    '  For a real model set these, in the environment or in .env (see .env.example):',
    '    AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY, or OPENAI_API_KEY',
  ];
}
