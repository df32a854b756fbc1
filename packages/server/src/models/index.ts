/**
 * The models that callers may ask for, and where each one runs.
 *
 * The catalogue comes from the operator's `models.json`, or is built from settings, and does not
 * change while the process runs. A caller's name (id or alias) is resolved here and nowhere else;
 * upstream addresses and credentials never leave the server. Plain `http`/`ws` upstreams are
 * accepted on loopback only, and an address never carries credentials.
 */
export {
  type CatalogueFile,
  catalogueJsonSchema,
  type DefaultCatalogueSettings,
  defaultCatalogue,
  loadCatalogue,
  type Model,
  type Provider,
  parseCatalogue,
} from './catalogue.ts';
export { entraTokens } from './entra.ts';
export { upstreamHealth } from './health.ts';
export { createModels, type Models } from './models.ts';
export { modelsRoutes } from './routes.ts';
export type { Upstream, UpstreamCredentials } from './upstream.ts';
