/**
 * Settings: described once (`settings/`), read from the environment and `.env` (`load.ts`),
 * checked (`checks.ts`), nested into the immutable `Config` (`config.ts`), and rendered for people
 * (`render.ts`, `print.ts`). Read once at start; nothing else in the server reads `process.env`.
 *
 * Only `main` and `compose` import this folder: features and platform get plain options.
 */
export { crossCheck, hasUpstream } from './checks.ts';
export type { Config } from './config.ts';
export {
  ConfigError,
  loadConfig,
  mergeVariables,
  readDotenv,
  resolveSettings,
  type Variables,
} from './load.ts';
export { renderEffective, renderEnvExample, renderReference } from './render.ts';
export { Secret } from './secret.ts';
