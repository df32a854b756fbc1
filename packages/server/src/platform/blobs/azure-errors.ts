import { RestError } from '@azure/storage-blob';
import { HoldfastError } from '../../kernel/index.ts';

export function isMissing(error: unknown): boolean {
  return error instanceof RestError && error.statusCode === 404;
}

export function isMissingContainer(error: unknown): boolean {
  return error instanceof RestError && error.code === 'ContainerNotFound';
}

/**
 * Translates the service's errors into ours. Aborts by the caller and all other errors stay as they
 * are.
 */
export function toBlobError(error: unknown): unknown {
  if (!(error instanceof RestError)) return error;
  if (error.statusCode === 416) {
    return new HoldfastError('range_not_satisfiable', 'The range lies behind the end.', {
      field: 'range',
      cause: error,
    });
  }
  if (error.statusCode === 507) {
    return new HoldfastError('storage_full', 'Storage is full.', { cause: error });
  }
  // A writer's commit discards the staged blocks of every other writer of that blob.
  if (error.code === 'InvalidBlockList') {
    const detail = 'Another writer wrote the same blob at the same time.';
    return new HoldfastError('conflict', detail, { cause: error });
  }
  return new HoldfastError('unavailable', 'Blob storage is unavailable.', { cause: error });
}
