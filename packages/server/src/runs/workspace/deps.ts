import type { BlobStore } from '../../platform/blobs/index.ts';
import type { Sealer } from '../../platform/secrets/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import type { WorkspaceLimits } from './limits.ts';
import type { Mirror } from './mirror.ts';

/** Where checkpoints are stored; home and objects sealed with the key of their run. */
export interface BlobPorts {
  readonly blobs: BlobStore;
  readonly sealer: Pick<Sealer, 'sealStream' | 'openStream'>;
}

/** What a clone and its checkpoints work with. */
export interface CloneDeps extends BlobPorts {
  readonly mirror: Mirror;
  readonly sandbox: Sandbox;
  readonly limits: WorkspaceLimits;
}
