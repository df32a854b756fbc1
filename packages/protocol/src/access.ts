import { z } from 'zod';
import { page, timestamp } from './common.ts';
import { role, scope } from './roles.ts';

/** `GET /v1/me`: who the server takes the caller for. */
export const me = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum(['local', 'user', 'api_key', 'client_secret']),
  project_id: z.string(),
  role,
  mode: z.enum(['local', 'oidc']),
  sign_in_ends_at: z
    .string()
    .nullable()
    .describe(
      'When this console sign-in, with the calls that are open on it, ends, because the identity ' +
        'provider gives no refresh token; null: it is renewed, or this is none.',
    ),
});
export type Me = z.infer<typeof me>;

/** A misspelt limit would make a key without it. */
export const apiKeyRequest = z.strictObject({
  name: z.string().trim().min(1).max(100),
  role: role.default('Developer'),
  expires_in_days: z.number().int().min(1).max(730).optional(),
  scopes: z
    .array(scope)
    .min(1)
    .refine(all => new Set(all).size === all.length, 'names a scope twice')
    .optional()
    .describe('What the key may be used for. Absent: all that its role permits.'),
});

export const apiKey = z.object({
  id: z.string(),
  name: z.string(),
  project_id: z.string(),
  role,
  prefix: z.string().describe('The first characters of the key, to recognise it by.'),
  created_by: z.string(),
  created_at: timestamp,
  expires_at: timestamp.nullable(),
  last_used_at: timestamp.nullable(),
  revoked_at: timestamp.nullable(),
  scopes: z.array(scope).nullable().describe('Null: all that its role permits.'),
});
export type ApiKey = z.infer<typeof apiKey>;
export const apiKeyPage = page(apiKey);

/** The answer to creating a key: the only time `key` is shown. */
export const createdApiKey = apiKey.extend({ key: z.string().describe('`hf_…`') });

export const auditEntry = z.object({
  id: z.string(),
  at: timestamp,
  principal: z.string(),
  project_id: z.string().nullable(),
  action: z.string(),
  target: z.string().nullable(),
  outcome: z.enum(['allowed', 'denied']),
  reason: z.string().nullable(),
  request_id: z.string(),
});
export const auditPage = page(auditEntry);
