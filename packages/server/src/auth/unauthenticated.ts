import { HoldfastError } from '../kernel/index.ts';

/** The one answer to missing, malformed, expired, revoked and unknown credentials. */
export function unauthenticated(): HoldfastError {
  return new HoldfastError('unauthenticated', 'Missing, invalid or expired credentials.');
}

/** The one answer to a project in which the caller has no part, whether or not it exists. */
export function noProject(): HoldfastError {
  return new HoldfastError('forbidden', 'You have no role in this project.', {
    field: 'x-holdfast-project',
  });
}
