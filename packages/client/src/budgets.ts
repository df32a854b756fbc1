import type { Budget, HostedTools, Limit, LimitList, ProviderKey } from '@holdfast/protocol';
import type { Http } from './http.ts';
import type { NewBudget, NewLimit, NewProviderKey } from './types.ts';

interface Options {
  signal?: AbortSignal | undefined;
}

/** Limits of what calls of models may cost, in US dollars. */
export function budgetRoutes(http: Http) {
  return {
    list: ({ signal }: Options = {}) => http.json<{ data: Budget[] }>('/v1/budgets', { signal }),
    /** The limit of that scope (and owner), in place of the one before. Admins only. */
    set: (json: NewBudget, { signal }: Options = {}) =>
      http.json<Budget>('/v1/budgets', { method: 'PUT', json, signal }),
    /** Removes the limit. Admins only. */
    remove: (id: string, { signal }: Options = {}) =>
      remove(http, `/v1/budgets/${encodeURIComponent(id)}`, signal),
  };
}

/** How much keys and the project may do at once. */
export function limitRoutes(http: Http) {
  return {
    list: ({ signal }: Options = {}) => http.json<LimitList>('/v1/limits', { signal }),
    /** What is left out is as the settings say. Admins only. */
    set: (json: NewLimit, { signal }: Options = {}) =>
      http.json<Limit>('/v1/limits', { method: 'PUT', json, signal }),
  };
}

/** What providers of models may do themselves for the project. */
export function hostedToolsRoutes(http: Http) {
  return {
    get: ({ signal }: Options = {}) => http.json<HostedTools>('/v1/hosted-tools', { signal }),
    /** Allows these and no others. Admins only. */
    set: (json: HostedTools, { signal }: Options = {}) =>
      http.json<HostedTools>('/v1/hosted-tools', { method: 'PUT', json, signal }),
  };
}

/** Keys that the project brings for providers of models. Admins only. */
export function providerKeyRoutes(http: Http) {
  return {
    /** Without the keys themselves, which no answer ever shows. */
    list: ({ signal }: Options = {}) =>
      http.json<{ data: ProviderKey[] }>('/v1/provider-keys', { signal }),
    /** Takes the place of the provider's key before. */
    create: (json: NewProviderKey, { signal }: Options = {}) =>
      http.json<ProviderKey>('/v1/provider-keys', { method: 'POST', json, signal }),
    /** The server erases it. */
    revoke: (id: string, { signal }: Options = {}) =>
      remove(http, `/v1/provider-keys/${encodeURIComponent(id)}`, signal),
  };
}

async function remove(http: Http, path: string, signal?: AbortSignal): Promise<void> {
  await http.request(path, { method: 'DELETE', signal });
}
