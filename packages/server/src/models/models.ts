import { HoldfastError } from '../kernel/index.ts';
import { type CatalogueFile, isVoice, type Model, modelEntry, type Protocol } from './catalogue.ts';
import { builtinVoice } from './default-voice.ts';
import { createTextUpstream, type TextUpstream } from './text-upstream.ts';
import { createUpstream, type Upstream, type UpstreamCredentials } from './upstream.ts';

type VoicePrices = Pick<Model, 'prices' | 'protocols' | 'max_output_tokens' | 'context_tokens'>;

export interface Models {
  readonly list: readonly Model[];
  readonly defaultModel: Model;
  /**
   * The model of that id or alias that speaks `protocol` (default: realtime). An exact name goes
   * before an alias that ends in `*`, and of those the longest. A realtime name that no model has
   * is passed on to the provider as it is where the catalogue says so; it has the prices that
   * `voicePrices` finds. Throws `unknown_model`, which lists the ids that are allowed, also when no
   * name is given.
   */
  resolve(name: string | undefined | null, protocol?: Protocol): Model;
  /**
   * What is known of a voice model's prices, by its name at the provider: what the catalogue says
   * of a model that it names, with or without a date behind, else what the built-in table says;
   * undefined: nothing.
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
  const voicePrices = (name: string): VoicePrices | undefined => {
    const isNamed = ({ id, deployment = id }: Model) => deployment === name;
    const named = find(name) ?? catalogue.models.find(isNamed) ?? find(name.replace(DATE, ''));
    return named?.protocols.some(isVoice) ? named : builtinVoice(name);
  };
  const passedOn = (name: string): Model | undefined => {
    if (catalogue.pass_on === undefined) return undefined;
    const { prices, max_output_tokens, context_tokens } = voicePrices(name) ?? {};
    const sizes = { max_output_tokens, context_tokens };
    const entry = { id: name, endpoint: catalogue.pass_on, prices, ...sizes };
    return modelEntry.safeParse(entry).data;
  };
  return {
    list: catalogue.models,
    defaultModel: byName.get(catalogue.default)!,
    resolve(name, protocol = 'realtime') {
      const known = name ? find(name) : undefined;
      const model = name && !known && protocol === 'realtime' ? passedOn(name) : known;
      if (model?.protocols.includes(protocol)) return model;
      const allowed = catalogue.models
        .filter(one => one.protocols.includes(protocol))
        .map(one => one.id);
      const detail = name ? 'There is no such model.' : 'The model is missing.';
      throw new HoldfastError('unknown_model', detail, { field: 'model', allowed });
    },
    voicePrices,
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

/** What follows the name of a model in that of one of its versions. */
const DATE = /-\d{4}-\d{2}-\d{2}$/;

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
