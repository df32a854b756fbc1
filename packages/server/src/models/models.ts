import { HoldfastError } from '../kernel/index.ts';
import type { CatalogueFile, Model } from './catalogue.ts';
import { createUpstream, type Upstream, type UpstreamCredentials } from './upstream.ts';

export interface Models {
  readonly list: readonly Model[];
  readonly defaultModel: Model;
  /**
   * The model of that id or alias. Throws `unknown_model`, which lists the ids that are allowed,
   * also when no name is given.
   */
  resolve(name: string | undefined | null): Model;
  upstream(model: Model): Upstream;
}

export function createModels(deps: {
  catalogue: CatalogueFile;
  credentials: UpstreamCredentials;
}): Models {
  const { catalogue, credentials } = deps;
  const byName = new Map<string, Model>();
  const upstreams = new Map<string, Upstream>();
  for (const model of catalogue.models) {
    for (const name of [model.id, ...model.aliases]) byName.set(name, model);
    upstreams.set(
      model.id,
      createUpstream(model, catalogue.endpoints[model.endpoint]!, credentials),
    );
  }
  const allowed = catalogue.models.map(model => model.id);
  return {
    list: catalogue.models,
    defaultModel: byName.get(catalogue.default)!,
    resolve(name) {
      const model = name ? byName.get(name) : undefined;
      if (model) return model;
      const detail = name ? 'There is no such model.' : 'The model is missing.';
      throw new HoldfastError('unknown_model', detail, { field: 'model', allowed });
    },
    upstream: model => upstreams.get(model.id)!,
  };
}
