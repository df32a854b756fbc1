/**
 * What goes wrong with a database, in three kinds. `SqlError`: the database answered and refused;
 * it keeps the SQLSTATE and the names of what was violated, and drops PostgreSQL's `detail` and
 * `where`, which repeat row values. `HoldfastError('unavailable')`: there was no usable answer.
 * `HoldfastError('invalid_request')`: a caller's text that no column can hold.
 */
import { HoldfastError } from '../../kernel/index.ts';

export interface SqlErrorFields {
  readonly message: string;
  /** SQLSTATE, five characters. */
  readonly code: string;
  readonly severity?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
  readonly hint?: string;
  readonly routine?: string;
}

/** `code` is the SQLSTATE. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly code: string;
  readonly severity: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;
  readonly hint: string | undefined;
  readonly routine: string | undefined;

  constructor(fields: SqlErrorFields) {
    super(fields.message);
    this.code = fields.code;
    this.severity = fields.severity;
    this.schema = fields.schema;
    this.table = fields.table;
    this.column = fields.column;
    this.constraint = fields.constraint;
    this.hint = fields.hint;
    this.routine = fields.routine;
  }
}

/** Whether `error` is a violation of a unique index or primary key (optionally of that name). */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (!(error instanceof SqlError) || error.code !== '23505') return false;
  return constraint === undefined || error.constraint === constraint;
}

/** The transaction conflicted with another one; running it again may succeed. */
export function isRetryable(error: unknown): boolean {
  return error instanceof SqlError && (error.code === '40001' || error.code === '40P01');
}

/** A driver's server error, reduced to what we keep; undefined for anything else. */
export function sqlErrorFields(error: unknown): SqlErrorFields | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined;
  if (typeof error.code !== 'string') return undefined;
  return pick(error as Error & SqlErrorFields);
}

/** The fields that name things; all others may repeat row values. */
function pick(error: SqlErrorFields): SqlErrorFields {
  const { message, code, severity, schema, table, column, constraint, hint, routine } = error;
  return { message, code, severity, schema, table, column, constraint, hint, routine };
}

/**
 * SQLSTATEs of a server that cannot serve now: connection exceptions, too many
 * connections, out of resources, shutting down or starting, a cancelled (timed out) statement, an
 * idle transaction cut off.
 */
const UNAVAILABLE = /^(08...|53...|57P0[1-5]|57014|25P0[34])$/;

/** A statement that this session prepared is not there, or answers other columns than it did. */
function isStale({ code, routine }: SqlErrorFields): boolean {
  return code === '26000' || routine === 'RevalidateCachedQuery';
}

/** Whether the session that answered this is over, or of no use any more. */
export function endsSession(error: SqlErrorFields): boolean {
  return /^(08...|57P0[1-5]|25P0[34])$/.test(error.code) || isStale(error);
}

/** A value that could not be read or written as its type: the caller's mistake, not an outage. */
export function isValueError(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}

/** SQLSTATEs for text that PostgreSQL cannot hold: U+0000, which JSON and URLs allow. */
const UNSTORABLE_TEXT = new Set(['22021', '22P05']);

/** The error that the caller of a refused statement gets. */
function refusalOf(fields: SqlErrorFields): Error {
  const refusal = new SqlError(fields);
  if (!UNSTORABLE_TEXT.has(fields.code)) return refusal;
  const detail = 'Text may not contain the character U+0000.';
  return new HoldfastError('invalid_request', detail, { cause: refusal });
}

/** Turns any error of a driver into one of the kinds; mistakes in values stay as they are. */
export function toDatabaseError(error: unknown): Error {
  if (error instanceof HoldfastError || error instanceof SqlError) return error;
  if (isValueError(error)) return error;
  const fields = sqlErrorFields(error);
  if (fields && !UNAVAILABLE.test(fields.code) && !isStale(fields)) return refusalOf(fields);
  if (fields)
    return unavailable('The database cannot serve the request now.', new SqlError(fields));
  return unavailable('The database is unavailable.', error);
}

export function unavailable(detail: string, cause?: unknown): HoldfastError {
  return new HoldfastError('unavailable', detail, { cause });
}
