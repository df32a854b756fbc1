import type { LimitList, LimitValues, NewLimit } from '@holdfast/protocol';

export const FIELDS = ['max_sessions', 'requests_per_minute', 'request_burst'] as const;
type Field = (typeof FIELDS)[number];

const MOST: Readonly<Record<Field, number>> = {
  max_sessions: 100_000,
  requests_per_minute: 1_000_000,
  request_burst: 1_000_000,
};

/** What a form holds: empty where the settings decide. */
export type LimitDraft = Readonly<Record<Field, string>> & { readonly subject: string };

/** What holds for a subject where nothing else is set. */
export function defaultsOf({ defaults }: LimitList, subject: string): LimitValues {
  return subject === 'project' ? defaults.project : defaults.key;
}

export function draftOf(list: LimitList, subject: string): LimitDraft {
  const set = list.data.find(one => one.subject === subject);
  const text = (field: Field) => (set?.[field] == null ? '' : String(set[field]));
  const [max_sessions, requests_per_minute, request_burst] = FIELDS.map(text) as [
    string,
    string,
    string,
  ];
  return { subject, max_sessions, requests_per_minute, request_burst };
}

/** The request for the server; null while a field holds what it does not accept. */
export function limitOf(draft: LimitDraft): NewLimit | null {
  const limit: NewLimit = { subject: draft.subject };
  for (const field of FIELDS) {
    const text = draft[field].trim();
    if (text === '') continue;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > MOST[field]) return null;
    limit[field] = value;
  }
  return limit;
}
