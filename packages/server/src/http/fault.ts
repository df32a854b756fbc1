import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { ZodError } from 'zod';
import { HoldfastError, toHoldfastError } from '../kernel/index.ts';

/**
 * Translates anything that a route, a parser or the framework throws into the one error type. Texts
 * of foreign errors are never passed on: they may quote the body or name internals.
 */
export function faultOf(thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  if (hasZodFastifySchemaValidationErrors(thrown)) return schemaFault(thrown);
  if (thrown instanceof ZodError) return zodFault(thrown);
  return frameworkFault(thrown) ?? toHoldfastError(thrown);
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly values?: readonly unknown[] | undefined;
}

/** Names the first fault only. */
function invalid(issue: Issue, part?: string): HoldfastError {
  const path = issue.path.map(String).join('.');
  const field = path || part;
  const detail = field ? `${field}: ${issue.message}` : issue.message;
  return new HoldfastError('invalid_request', detail, {
    ...(field ? { field } : {}),
    ...(issue.values ? { allowed: issue.values.map(String) } : {}),
  });
}

function zodFault(error: ZodError): HoldfastError {
  const issue = error.issues[0];
  if (issue === undefined) return new HoldfastError('invalid_request', 'Invalid request.');
  const values = 'values' in issue && Array.isArray(issue.values) ? issue.values : undefined;
  return invalid({ path: issue.path, message: issue.message, values });
}

interface SchemaError {
  readonly validation: readonly { instancePath: string; message?: string; params: object }[];
  readonly validationContext?: string;
}

function schemaFault(error: SchemaError): HoldfastError {
  const first = error.validation[0];
  const values = first && 'values' in first.params ? first.params.values : undefined;
  const issue = {
    path: (first?.instancePath ?? '').split('/').filter(Boolean),
    message: first?.message ?? 'Invalid.',
    values: Array.isArray(values) ? values : undefined,
  };
  return invalid(issue, error.validationContext);
}

type Rule = readonly [HoldfastError['code'], string];

/** Faults by their code, as Fastify and its multipart plugin name them. */
const BY_CODE: Readonly<Record<string, Rule>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['payload_too_large', 'The body is too large.'],
  FST_REQ_FILE_TOO_LARGE: ['payload_too_large', 'The file is too large.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported_media_type',
    'This content type is not accepted here.',
  ],
  FST_INVALID_MULTIPART_CONTENT_TYPE: ['unsupported_media_type', 'Send multipart/form-data.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid_request', 'The body is not valid JSON.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid_request', 'The body is empty.'],
  FST_ERR_BAD_URL: ['invalid_request', 'The URL is not well formed.'],
  FST_ERR_MAX_PARAM_LENGTH: ['not_found', 'No such route.'],
  FST_PARTS_LIMIT: ['payload_too_large', 'Too many parts.'],
  FST_FILES_LIMIT: ['payload_too_large', 'Too many files.'],
  FST_FIELDS_LIMIT: ['payload_too_large', 'Too many fields.'],
  FST_MP_PREMATURE_CLOSE: ['invalid_request', 'The body ended early.'],
};

/** Other 4xx errors of plugins, by their status. */
const BY_STATUS: Readonly<Record<number, Rule>> = {
  404: ['not_found', 'No such route.'],
  405: ['method_not_allowed', 'This method is not accepted here.'],
  406: ['not_acceptable', 'Nothing acceptable can be answered.'],
  413: ['payload_too_large', 'The request is too large.'],
  415: ['unsupported_media_type', 'This content type is not accepted here.'],
  416: ['range_not_satisfiable', 'This range cannot be answered.'],
};

/** @fastify/busboy throws plain errors for a torn multipart body, with exactly these texts. */
const TORN_MULTIPART =
  /^Multipart: Boundary not found$|^(.+ early due to )?unexpected end of multipart data$/i;

function frameworkFault(thrown: unknown): HoldfastError | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { code, statusCode } = thrown as { code?: unknown; statusCode?: unknown };
  const rule = typeof code === 'string' ? BY_CODE[code] : undefined;
  if (rule !== undefined) return new HoldfastError(rule[0], rule[1], { cause: thrown });
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const [by, text] = BY_STATUS[statusCode] ?? ['invalid_request', 'The request is not valid.'];
    return new HoldfastError(by, text, { cause: thrown });
  }
  if (TORN_MULTIPART.test(thrown.message)) {
    return new HoldfastError('invalid_request', 'The multipart body is torn.', { cause: thrown });
  }
  return undefined;
}
