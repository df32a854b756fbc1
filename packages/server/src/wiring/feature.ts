import type { FastifyPluginAsync } from 'fastify';
import type { Principal } from '../auth/index.ts';
import type { Absent, HealthCheck, UpgradeRoute } from '../http/index.ts';
import type { Component } from '../kernel/index.ts';

/**
 * What a feature adds to a process, for the roles that the process has. Each file in this folder
 * builds one from settings and open ports; features themselves never see the settings.
 */
export interface Feature {
  /** In the order in which they start; they stop in reverse. */
  readonly components?: readonly Component[];
  readonly routes?: readonly FastifyPluginAsync[];
  readonly upgrades?: readonly UpgradeRoute<Principal>[];
  /** What clients may look for here in vain. */
  readonly absent?: readonly Absent[];
  readonly health?: readonly HealthCheck[];
}
