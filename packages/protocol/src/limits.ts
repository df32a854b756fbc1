import { z } from 'zod';
import { timestamp } from './common.ts';

/** How much at once: of one API key, and of all callers of a project together. */
export const LIMIT_MAX_SESSIONS = 100_000;
export const LIMIT_MAX_REQUESTS = 1_000_000;

const bounds = {
  max_sessions: z.number().int().min(1).max(LIMIT_MAX_SESSIONS),
  requests_per_minute: z.number().int().min(1).max(LIMIT_MAX_REQUESTS),
  request_burst: z.number().int().min(1).max(LIMIT_MAX_REQUESTS),
};

const limitValues = z.object({
  max_sessions: bounds.max_sessions.nullable().describe('Active sessions at the same time.'),
  requests_per_minute: bounds.requests_per_minute
    .nullable()
    .describe('Writing requests and connections.'),
  request_burst: bounds.request_burst.nullable().describe('How many of them may come at once.'),
});
export type LimitValues = z.infer<typeof limitValues>;

const subject = z
  .string()
  .regex(/^(project|key_[0-9a-f]{32})$/, 'project, or the id of an API key')
  .describe('`project`: all callers together; or the id of an API key.');

/** `PUT /v1/limits`: what is null, or left out, is as the settings say. */
export const newLimit = limitValues.partial().extend({ subject });
export type NewLimit = z.infer<typeof newLimit>;

export const limit = limitValues.extend({
  subject,
  updated_by: z.string(),
  updated_at: timestamp,
});
export type Limit = z.infer<typeof limit>;

export const limitList = z.object({
  defaults: z
    .object({ person: limitValues, key: limitValues, project: limitValues })
    .describe('What the settings say of each person, of each key and of the project; null: none.'),
  data: z.array(limit).describe('What differs from that.'),
});
export type LimitList = z.infer<typeof limitList>;
