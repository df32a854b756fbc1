import { HoldfastError } from '../kernel/index.ts';
import { type CatalogueFile, isVoice, type Model, type Protocol } from './catalogue.ts';
import { builtinVoice } from './default-voice.ts';
import { createTextUpstream, type TextUpstream } from './text-upstream.ts';
import { createUpstream, type Upstream, type UpstreamCredentials } from './upstream.ts';

type VoicePrices = Pick<Model, 'prices' | 'protocols' | 'max_output_tokens' | 'context_tokens'>;

export interface Models {
  readonly list: readonly Model[];
  readonly defaultModel: Model;
  /**
   * The model of that id or alias that speaks `protocol` (default: realtime). An exact name goes
   * before an alias that ends in `*`, and of those the longest. Throws `unknown_model`, which lists
   * the ids that are allowed, also when no name is given.
   */
  resolve(name: string | undefined | null, protocol?: Protocol): Model;
  /**
   * What is known of a voice model's prices, by its name at the provider: what the catalogue says
   * of a model that it names, else what the built-in table says; undefined: nothing.
   */
  voicePrices(name: string): VoicePrices | undefined;
  /** Throws `unknown_model` unless some model of that id or alias speaks a text protocol. */
  checkText(name: string): void;
  /** For realtime models; with a project's own key, where it has one. */
  upstream(model: Model, projectId?: string): Upstream;
  /** For models of the other protocols. */
  textUpstream(model: Model): TextUpstream;
}

export function createModels(deps: {
  catalogue: CatalogueFile;
  credentials: UpstreamCredentials;
}): Models {
  const { catalogue, credentials } = deps;
  const byName = new Map<string, Model>();
  const textUpstreams = new Map<string, TextUpstream>();
  for (const model of catalogue.models) {
    const endpoint = catalogue.endpoints[model.endpoint]!;
    for (const name of [model.id, ...model.aliases]) byName.set(name, model);
    textUpstreams.set(model.id, createTextUpstream(model, endpoint, credentials));
  }
  const find = (name: string) => byName.get(name) ?? byPrefix(byName, name);
  return {
    list: catalogue.models,
    defaultModel: byName.get(catalogue.default)!,
    resolve(name, protocol = 'realtime') {
      const model = name ? find(name) : undefined;
      if (model?.protocols.includes(protocol)) return model;
      const allowed = catalogue.models
        .filter(one => one.protocols.includes(protocol))
        .map(one => one.id);
      const detail = name ? 'There is no such model.' : 'The model is missing.';
      throw new HoldfastError('unknown_model', detail, { field: 'model', allowed });
    },
    voicePrices(name) {
      const isNamed = ({ id, deployment = id }: Model) => deployment === name;
      const voice = (model: Model) => model.protocols.some(isVoice);
      const named = find(name) ?? catalogue.models.find(isNamed);
      return named !== undefined && voice(named) ? named : builtinVoice(name);
    },
    checkText(name) {
      if (find(name)?.protocols.some(isText)) return;
      const allowed = catalogue.models.filter(one => one.protocols.some(isText)).map(one => one.id);
      const detail = 'There is no such model for agents.';
      throw new HoldfastError('unknown_model', detail, { field: 'model', allowed });
    },
    upstream: (model, projectId) =>
      createUpstream(model, catalogue.endpoints[model.endpoint]!, credentials, projectId),
    textUpstream: model => textUpstreams.get(model.id)!,
  };
}

const isText = (protocol: Protocol) => !isVoice(protocol);

/** The model with the longest `*` alias that `name` begins with; names themselves hold no `*`. */
function byPrefix(byName: ReadonlyMap<string, Model>, name: string): Model | undefined {
  let best: { chars: number; model: Model } | undefined;
  for (const [alias, model] of byName) {
    if (!alias.endsWith('*') || !name.startsWith(alias.slice(0, -1))) continue;
    if (best === undefined || alias.length > best.chars) best = { chars: alias.length, model };
  }
  return best?.model;
}
