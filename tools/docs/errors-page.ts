import { ERROR_CODES } from '../../packages/protocol/src/index.ts';
import { code, heading, page, table } from './markdown.ts';

/** The error codes, with status and title. */
export function renderErrors(): string {
  return page([
    ...heading('Errors', '`packages/protocol/src/errors.ts`'),
    'Native routes answer `application/problem+json` (RFC 9457) with `code`, `detail` for people,',
    '`request_id`, and `error`, which repeats `detail` for clients of the older API. Routes under',
    "`/v1/realtime` and `/openai` answer OpenAI's error object; WebSockets send an `error` event",
    'and then close. Branch on `code`. With 429, 503 and 504 a `Retry-After` header may say when',
    'to try again.',
    '',
    ...table(
      ['code', 'status', 'title'],
      Object.entries(ERROR_CODES).map(([name, { status, title }]) => [
        code(name),
        String(status),
        title,
      ]),
    ),
  ]);
}
