import type { ErrorShape } from '../../http/index.ts';
import type { TextProtocol } from '../text-upstream.ts';

/** A route of the gateway. */
export type ModelRoute = ModelCallRoute | { readonly kind: 'list' };

export interface ModelCallRoute {
  readonly kind: 'call';
  readonly protocol: TextProtocol;
  /** What follows the model's resource upstream. */
  readonly action?: string;
  /** Where the path names the model; else the body does. */
  readonly model?: string;
  /** Whether the provider charges for it. */
  readonly metered: boolean;
}

const GEMINI = /^\/model\/gemini\/v1beta\/models\/([^/:]{1,100}):([A-Za-z]{1,40})$/;
/** Gemini's methods, and whether Google charges for them. */
const GEMINI_METHODS: Readonly<Record<string, boolean>> = {
  generateContent: true,
  streamGenerateContent: true,
  countTokens: false,
};
const FIXED: Readonly<Record<string, ModelRoute>> = {
  'GET /model/openai/v1/models': { kind: 'list' },
  'POST /model/openai/v1/responses': { kind: 'call', protocol: 'responses', metered: true },
  'POST /model/openai/v1/chat/completions': { kind: 'call', protocol: 'chat', metered: true },
  'POST /model/anthropic/v1/messages': { kind: 'call', protocol: 'messages', metered: true },
  'POST /model/anthropic/v1/messages/count_tokens': {
    kind: 'call',
    protocol: 'messages',
    action: 'count_tokens',
    metered: false,
  },
};

/** The paths as the HTTP server registers them. */
export const ROUTE_PATHS: readonly { method: 'GET' | 'POST'; url: string }[] = [
  ...Object.keys(FIXED).map(key => {
    const [method, url] = key.split(' ') as ['GET' | 'POST', string];
    return { method, url };
  }),
  { method: 'POST', url: '/model/gemini/v1beta/models/:target' },
];

export function matchRoute(method: string, path: string): ModelRoute | undefined {
  const key = `${method === 'HEAD' ? 'GET' : method} ${path}`;
  if (Object.hasOwn(FIXED, key)) return FIXED[key];
  const [, model, action] = (method === 'POST' && GEMINI.exec(path)) || [];
  if (model === undefined || action === undefined) return undefined;
  if (!Object.hasOwn(GEMINI_METHODS, action)) return undefined;
  return { kind: 'call', protocol: 'gemini', model, action, metered: GEMINI_METHODS[action]! };
}

/** The shape of error bodies below a path. */
export function shapeOf(path: string): ErrorShape {
  if (path.startsWith('/model/anthropic/')) return 'anthropic';
  return path.startsWith('/model/gemini/') ? 'google' : 'openai';
}
