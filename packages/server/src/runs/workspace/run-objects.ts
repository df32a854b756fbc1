import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BareRepository } from './bare-repository.ts';
import type { Mirror } from './mirror.ts';
import type { WorkspaceLimits } from './workspace.ts';

/**
 * The git objects that one run made, with the mirror's behind them. Only the sandbox of this run
 * sees them. Nothing is ever pruned from them; they are removed as a whole, with the run's erasure
 * at the latest.
 */
export class RunObjects extends BareRepository {
  readonly mirror: Mirror;

  constructor(dir: string, limits: WorkspaceLimits, mirror: Mirror) {
    super(dir, limits);
    this.mirror = mirror;
  }

  /** Makes or finds them, and puts the mirror behind them. Needs the lock. */
  async open(): Promise<void> {
    if (!(await this.exists())) await this.create();
    const file = join(this.objectsDir, 'info', 'alternates');
    const behind = `${this.mirror.objectsDir}\n`;
    if ((await readFile(file, 'utf8').catch(() => '')) !== behind) {
      await writeFile(file, behind);
      // Git inside follows it as another user.
      await chmod(file, 0o644);
    }
    await this.touch();
  }

  /**
   * Makes one pack of many, and loses no object: they are taken as they stand in the packs, whether
   * or not something leads to them or the mirror is there. Needs the lock, and that no clone leans
   * on them.
   */
  async repack(): Promise<void> {
    if (!(await this.hasManyPacks())) return;
    for (const step of [['write'], ['repack', '--batch-size=0'], ['expire']]) {
      const args = ['multi-pack-index', ...step, '--no-progress'];
      await this.git(args, { timeoutMs: this.limits.fetchTimeoutMs });
    }
  }
}
