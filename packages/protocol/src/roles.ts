import { z } from 'zod';

/**
 * Roles are per project and nest: an Admin may do what a Developer may, a Developer what a Viewer
 * may. `Viewer` reads the project's work without recordings and private fields; `Developer` also
 * starts work and owns what it started; `Admin` sees and ends everything and manages keys.
 */
export const ROLES = ['Viewer', 'Developer', 'Admin'] as const;
export const role = z.enum(ROLES);

/**
 * What a key may be used for. `voice`: sessions, calls, recordings; `runs`: repositories, tasks,
 * agent runs; `meetings`: meetings; `read`: reading all of these. None of them permits managing
 * keys, budgets or queues.
 */
export const SCOPES = ['voice', 'runs', 'meetings', 'read'] as const;
export const scope = z.enum(SCOPES);
export type Scope = z.infer<typeof scope>;
export type Role = z.infer<typeof role>;
