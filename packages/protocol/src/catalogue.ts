import { z } from 'zod';

/**
 * The event catalogue: every type that may stand in a log, with the version of its data and which
 * of its fields are private. Private fields are stored encrypted and shown to the creator and to
 * Admins only; all else is visible to every reader of the subject. A log refuses a type or a field
 * that is not declared here.
 */
export interface EventDefinition<P extends z.ZodRawShape, S extends z.ZodRawShape> {
  readonly v: number;
  /** Whose log it may stand in; `any` for events about the log itself. */
  readonly kind: SubjectKind | 'any';
  readonly description: string;
  readonly public: z.ZodObject<P>;
  readonly private: z.ZodObject<S>;
}

export const SUBJECT_KINDS = ['session', 'run', 'meeting'] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** The largest `data` of one event, public and private parts together, as JSON. */
export const EVENT_DATA_MAX_BYTES = 64 * 1024;

/** One event as every reader gets it. */
export const eventEnvelope = z.object({
  subject: z.string(),
  seq: z.number().int().positive().describe('1, 2, 3… per subject, without holes.'),
  type: z.string(),
  v: z.number().int(),
  at: z.iso.datetime({ offset: true }).describe("The database's clock."),
  actor: z.string().describe('Who caused it: a principal, or `replica:<id>`.'),
  attempt: z.number().int().nullable(),
  trace_id: z.string().nullable(),
  append_id: z.string(),
  data: z.record(z.string(), z.unknown()),
  redacted: z.boolean().optional().describe('True where private fields were left out.'),
});
export type EventEnvelope = z.infer<typeof eventEnvelope>;

export function define<P extends z.ZodRawShape, S extends z.ZodRawShape = Record<never, never>>(
  kind: SubjectKind | 'any',
  description: string,
  fields: { v?: number; public: P; private?: S },
): EventDefinition<P, S> {
  return {
    v: fields.v ?? 1,
    kind,
    description,
    public: z.strictObject(fields.public) as unknown as z.ZodObject<P>,
    private: z.strictObject(fields.private ?? ({} as S)) as unknown as z.ZodObject<S>,
  };
}
