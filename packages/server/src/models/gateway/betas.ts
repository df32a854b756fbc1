import type { HostedTool } from '@holdfast/protocol';

/** Has the model read up to a million tokens, where it otherwise refuses more than these. */
const LONG_CONTEXT = 'context-1m-2025-08-07';
const ORDINARY_CONTEXT_TOKENS = 200_000;

/**
 * Anthropic's beta features that are sent on: those that shape text, and those of a hosted tool
 * only with a call that asks for the tool. Others could reach or cost what nobody allowed.
 */
const BETAS: Readonly<Record<string, HostedTool | null>> = {
  'adaptive-thinking-2026-01-28': null,
  'advanced-tool-use-2025-11-20': null,
  'cache-diagnosis-2026-04-07': null,
  'claude-code-20250219': null,
  [LONG_CONTEXT]: null,
  'context-management-2025-06-27': null,
  'effort-2025-11-24': null,
  'extended-cache-ttl-2025-04-11': null,
  'fine-grained-tool-streaming-2025-05-14': null,
  'interleaved-thinking-2025-05-14': null,
  'mid-conversation-system-2026-04-07': null,
  'mid-conversation-tool-changes-2026-07-01': null,
  'per-turn-control-2026-07-01': null,
  'prompt-caching-scope-2026-01-05': null,
  'redact-thinking-2026-02-12': null,
  'structured-outputs-2025-11-13': null,
  'structured-outputs-2025-12-15': null,
  'task-budgets-2026-03-13': null,
  'thinking-display-updates-2026-08-18': null,
  'thinking-token-count-2026-05-13': null,
  'token-counting-2024-11-01': null,
  'tool-examples-2025-10-29': null,
  'code-execution-2025-05-22': 'code_execution',
  'code-execution-2025-08-25': 'code_execution',
  'computer-use-2024-10-22': 'computer_use',
  'computer-use-2025-01-24': 'computer_use',
  'computer-use-2025-11-24': 'computer_use',
  'files-api-2025-04-14': 'stored_files',
  'mcp-client-2025-04-04': 'mcp',
  'mcp-client-2025-11-20': 'mcp',
  'web-fetch-2025-09-10': 'web_fetch',
  'web-search-2025-03-05': 'web_search',
};

export interface Betas {
  readonly sent: readonly string[];
  readonly dropped: number;
}

/**
 * `header`: names with commas between them. `contextTokens`: the most that is reserved for input;
 * a longer context is not switched on where it would not be.
 */
export function sortBetas(
  header: string,
  hosted: ReadonlyMap<HostedTool, string>,
  contextTokens: number,
): Betas {
  const named = header.split(',').map(name => name.trim());
  const asked = named.filter(name => name !== '');
  const sent = asked.filter(name => {
    if (name === LONG_CONTEXT && contextTokens <= ORDINARY_CONTEXT_TOKENS) return false;
    const tool = Object.hasOwn(BETAS, name) ? BETAS[name] : undefined;
    return tool === null || (tool !== undefined && hosted.has(tool));
  });
  return { sent, dropped: asked.length - sent.length };
}
