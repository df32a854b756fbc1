import type { Session } from '@holdfast/protocol';

/** Whether every word of the search occurs in what identifies a session. */
export function matches(session: Session, query: string): boolean {
  const haystack = [
    session.id,
    session.model,
    session.created_by,
    session.state,
    session.transport,
    session.close_reason ?? '',
    session.replica ?? '',
    session.revision ?? '',
  ]
    .join(' ')
    .toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every(word => haystack.includes(word));
}
