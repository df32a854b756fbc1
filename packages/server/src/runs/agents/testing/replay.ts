import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A program in place of an agent's command line, which prints the recorded output of the real one;
 * an answer (JSON-RPC) only after a request, whose message it may name (`message-1`). It keeps its
 * arguments, environment and input in the run's home.
 */
export interface Replay {
  readonly command: string;
  /** A file of `fixtures/`; undefined: it prints nothing. */
  readonly fixture?: string;
  readonly exitCode?: number;
  readonly version?: string;
  /** What it prints on standard error before it ends. */
  readonly complaint?: string;
}

export function installReplay(agentsDir: string, replay: Replay): void {
  const { command, fixture, exitCode = 0, version = '1.0.0', complaint } = replay;
  const recorded = join(agentsDir, `${command}.jsonl`);
  mkdirSync(agentsDir, { recursive: true });
  if (fixture === undefined) writeFileSync(recorded, '');
  else copyFileSync(fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url)), recorded);
  const script = [
    '#!/bin/sh',
    `[ "$1" = --version ] && { echo "${command} ${version}"; exit 0; }`,
    'printf "%s\\n" "$@" > "$HOME/arguments"',
    'env > "$HOME/environment"',
    ': > "$HOME/input"',
    'await_request() {',
    '  while IFS= read -r line; do',
    '    printf "%s\\n" "$line" >> "$HOME/input"',
    '    message=$(printf %s "$line" | sed -n \'s/.*"clientUserMessageId":"\\([^"]*\\).*/\\1/p\')',
    '    case "$line" in \'{"id":\'*) return;; esac',
    '  done',
    '}',
    'while IFS= read -r recorded <&3; do',
    '  case "$recorded" in \'{"id":\'*) await_request;; esac',
    '  printf "%s\\n" "$recorded" | sed "s/\\"message-1\\"/\\"$message\\"/"',
    `done 3< "${recorded}"`,
    ...(complaint === undefined ? [] : [`echo "${complaint}" >&2`]),
    ...(fixture === undefined ? [] : ['cat >> "$HOME/input"']),
    `exit ${exitCode}`,
  ];
  const file = join(agentsDir, command);
  writeFileSync(file, `${script.join('\n')}\n`);
  chmodSync(file, 0o755);
}
