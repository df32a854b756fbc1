import type { HostedTool } from '@holdfast/protocol';

/** In the order in which they are shown; as for `SCOPES`, a test compares the lists. */
export const HOSTED_TOOL_NAMES = [
  'web_search',
  'web_fetch',
  'remote_files',
  'stored_files',
  'file_search',
  'code_execution',
  'image_generation',
  'computer_use',
  'mcp',
  'maps',
] as const satisfies readonly HostedTool[];
