import { createHash } from 'node:crypto';
import {
  type Clock,
  ExpiringCache,
  type HoldfastError,
  systemClock,
  toHoldfastError,
} from '../kernel/index.ts';
import type { Upstream } from '../models/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { post, refusalOf } from './calls/upstream-call.ts';
import { failureFields, refusalError } from './errors.ts';
import type { Json } from './preview/session.ts';
import { typeOf } from './session-type.ts';

/**
 * Asks the provider's own mint whether it takes a configuration, so that a secret for one that it
 * refuses is not minted. The provider's secret is thrown away. Each configuration of a model is
 * asked about once, also when many are minted at once; the answer is kept by its hash, for long
 * unless it is that there is no such model, which a deployment mends.
 *
 * A provider that cannot be asked (away, or without such a route) keeps no secret from being
 * minted: whether it takes the configuration is seen before the client is heard
 * (`configure-upstream.ts`).
 */
const TIMEOUT_MS = 5_000;
const ANSWERS_MAX = 1_000;
const ANSWER_TTL_MS = 3_600_000;
/** How long a provider that could not be asked, or lacks the model, is left alone. */
const PASSING_TTL_MS = 30_000;
/** The shortest that the provider's secrets may have. */
const SECRET_LIFE = '{"anchor":"created_at","seconds":10}';

/** The provider's refusal; null: it takes the configuration; undefined: not asked. */
type Answer = HoldfastError | null | undefined;

export interface Question {
  readonly upstream: Upstream;
  /** GA shape. */
  readonly session: Json;
  /** Whose key may be used: it may not reach the model that another does. */
  readonly projectId: string;
  /** Ours. */
  readonly requestId: string;
}

export class ConfigurationCheck {
  readonly #telemetry: Telemetry;
  readonly #answers: ExpiringCache<Exclude<Answer, undefined>>;
  readonly #passing: ExpiringCache<{ readonly answer: Answer }>;
  readonly #asking = new Map<string, Promise<Answer>>();

  constructor(telemetry: Telemetry, clock: Clock = systemClock) {
    this.#telemetry = telemetry;
    this.#answers = new ExpiringCache(clock, ANSWERS_MAX, ANSWER_TTL_MS);
    this.#passing = new ExpiringCache(clock, ANSWERS_MAX, PASSING_TTL_MS);
  }

  /** Throws the refusal in the provider's words where it does not take it. */
  async check(question: Question): Promise<void> {
    const { upstream, session, projectId } = question;
    const type = typeOf(session);
    const model = type === 'transcription' ? {} : { model: upstream.deployment };
    const wanted = JSON.stringify({ ...session, type, ...model });
    const asked = `${projectId} ${upstream.clientSecretsUrl(type)} ${wanted}`;
    const key = createHash('sha256').update(asked).digest('hex');
    const kept = this.#answers.get(key);
    const answer = kept === undefined ? await this.#once(key, question, wanted) : kept;
    if (answer) throw answer;
  }

  async #once(key: string, question: Question, wanted: string): Promise<Answer> {
    const passing = this.#passing.get(key);
    if (passing !== undefined) return passing.answer;
    const under = this.#asking.get(key);
    if (under !== undefined) return under;
    const asking = this.#ask(question, wanted)
      .then(answer => {
        if (answer === undefined || isOfModel(answer)) this.#passing.put(key, { answer });
        else this.#answers.put(key, answer);
        return answer;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask({ upstream, session, requestId }: Question, wanted: string): Promise<Answer> {
    const url = new URL(upstream.clientSecretsUrl(typeOf(session)));
    const body = `{"expires_after":${SECRET_LIFE},"session":${wanted}}`;
    const log = this.#telemetry.log.child({ request_id: requestId });
    try {
      const request = { body, timeoutMs: TIMEOUT_MS, requestId };
      const { response, secrets } = await post(upstream, url, request);
      if (response.ok) await response.body?.cancel();
      if (response.ok) return null;
      const refused = await refusalOf(response, 'mint', secrets);
      const error = refusalError({ ...refused, isCallers: true });
      if (isAboutConfiguration(error)) return error;
      log.warn('session.unchecked', failureFields(error));
    } catch (error) {
      log.warn('session.unchecked', failureFields(toHoldfastError(error)));
    }
    return undefined;
  }
}

/** No other failure says anything of the configuration or the model that it is for. */
function isAboutConfiguration(error: HoldfastError): boolean {
  // How long the secret lives is our part of the question.
  const isOurs = /^expires_after\b/.test(error.field ?? '');
  return (error.code === 'invalid_request' && !isOurs) || isOfModel(error);
}

function isOfModel(answer: HoldfastError | null): boolean {
  return NO_MODEL.test(answer?.upstreamCode ?? '');
}

const NO_MODEL = /^(model|Deployment)_?not_?found$/i;
