import type { BlobStore } from '../../platform/blobs/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import type { WorkspaceLimits } from './limits.ts';
import type { Mirror } from './mirror.ts';

/** What a clone and its checkpoints work with. */
export interface CloneDeps {
  readonly mirror: Mirror;
  readonly blobs: BlobStore;
  readonly sandbox: Sandbox;
  readonly limits: WorkspaceLimits;
}
