import { z } from 'zod';

/**
 * What providers of models do themselves for a call, beyond running the model. Through each a call
 * reaches something that Holdfast does not see, so a project allows each by name; none by default.
 */
export const HOSTED_TOOLS = {
  web_search: 'The provider searches the web for the model.',
  web_fetch: 'The provider fetches addresses that the model chooses.',
  remote_files: 'The provider fetches images and files from addresses in the request.',
  stored_files: 'The call reads files that are stored in the account at the provider.',
  file_search: 'The provider searches document stores of the account.',
  code_execution: 'The provider runs code in a container of its own.',
  image_generation: 'The provider has another model make images.',
  computer_use: 'The model drives a screen.',
  mcp: 'The provider connects to MCP servers that the request names.',
  maps: 'The provider searches its maps.',
} as const satisfies Record<string, string>;

export type HostedTool = keyof typeof HOSTED_TOOLS;

export const hostedTool = z.enum(Object.keys(HOSTED_TOOLS) as [HostedTool, ...HostedTool[]]);

/** What a project allows: all that is allowed, not what is added. */
export const hostedTools = z.strictObject({
  allowed: z
    .array(hostedTool)
    .max(Object.keys(HOSTED_TOOLS).length)
    .describe(
      Object.entries(HOSTED_TOOLS)
        .map(([name, text]) => `\`${name}\`: ${text}`)
        .join(' '),
    ),
});
export type HostedTools = z.infer<typeof hostedTools>;
