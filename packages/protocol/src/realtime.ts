import { z } from 'zod';

/**
 * The parts of OpenAI's GA Realtime API that Holdfast reads or answers itself. Everything else of
 * a session's configuration passes through untouched, so these objects are loose.
 * Source: openai/openai-openapi, `openapi.yaml`, Realtime schemas.
 */
export const CLIENT_SECRET_TTL_DEFAULT_S = 600;
export const CLIENT_SECRET_TTL_MIN_S = 10;
export const CLIENT_SECRET_TTL_MAX_S = 7200;

export const realtimeSessionConfig = z.looseObject({
  type: z.enum(['realtime', 'transcription']).default('realtime'),
  model: z.string().max(200).optional(),
  instructions: z.string().max(256_000).optional(),
  output_modalities: z.array(z.enum(['audio', 'text'])).optional(),
  tools: z
    .array(z.looseObject({ type: z.string() }))
    .max(128)
    .optional(),
  audio: z.looseObject({}).optional(),
});
export type RealtimeSessionConfig = z.infer<typeof realtimeSessionConfig>;

/** Ours: misspelt or misplaced, they would silently lock nothing, so they are refused. */
const OWN_NAMES = /^(holdfast|locked|max_sessions|defaults)$/i;

const expiresAfter = z
  .strictObject({
    anchor: z.literal('created_at').default('created_at'),
    seconds: z
      .number()
      .int()
      .min(CLIENT_SECRET_TTL_MIN_S)
      .max(CLIENT_SECRET_TTL_MAX_S)
      .default(CLIENT_SECRET_TTL_DEFAULT_S),
  })
  .optional();

const ownPart = z
  .strictObject({
    max_sessions: z.number().int().min(1).max(100).default(1),
    defaults: z
      .boolean()
      .default(false)
      .describe(
        'Fill what `session` leaves out from the operator’s file, or, without one, from the ' +
          'built-in session of `POST /sessions`.',
      ),
    locked: z
      .array(z.enum(['instructions', 'tools', 'voice', 'model', 'turn_detection', 'all']))
      .max(10)
      .default([])
      .describe('Parts of the configuration that the holder of the secret cannot change.'),
  })
  .optional();

function refuseMisplaced(body: { session?: object }, context: z.RefinementCtx): void {
  const misplaced = (object: object, path: string[]) => {
    for (const key of Object.keys(object).filter(name => OWN_NAMES.test(name))) {
      if (path.length === 0 && key === 'holdfast') continue;
      const message = 'Not understood here. Locks are given as holdfast.locked.';
      context.addIssue({ code: 'custom', path: [...path, key], message });
    }
  };
  misplaced(body, []);
  if (body.session) misplaced(body.session, ['session']);
}

/** `POST /v1/realtime/client_secrets`. `holdfast` is ours and optional. */
export const clientSecretRequest = z
  .looseObject({
    expires_after: expiresAfter,
    session: realtimeSessionConfig.optional(),
    holdfast: ownPart,
  })
  .superRefine(refuseMisplaced);

/** `POST /v1/realtime/translations/client_secrets`. */
export const translationSecretRequest = z
  .looseObject({
    expires_after: expiresAfter,
    session: z.looseObject({
      type: z.literal('translation').default('translation'),
      model: z.string().max(200),
      audio: z.looseObject({}).optional(),
    }),
    holdfast: ownPart,
  })
  .superRefine(refuseMisplaced);

/** The typings of its transcription sessions call the same `expires_at`. */
const betaSecret = z
  .looseObject({ expires_after: expiresAfter, expires_at: expiresAfter })
  .optional();

/** The beta's `POST /v1/realtime/sessions` and `…/transcription_sessions`: flat. */
export const betaSessionRequest = z.looseObject({
  model: z.string().max(200).optional(),
  instructions: z.string().max(256_000).optional(),
  tools: z.array(z.looseObject({})).max(128).optional(),
  client_secret: betaSecret,
});

/** The older `POST /sessions` body (flat), as the seeds' frontend sends it. */
export const legacySessionRequest = z.looseObject({
  model: z.string().max(200).optional(),
  voice: z.string().max(100).optional(),
  instructions: z.string().max(256_000).optional(),
  modalities: z.array(z.string()).max(4).optional(),
  tools: z.array(z.looseObject({})).max(128).optional(),
  user_id: z
    .string()
    .max(200)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'text without control characters')
    .nullish()
    .describe('Kept as the label of the session. It identifies nobody.'),
});
