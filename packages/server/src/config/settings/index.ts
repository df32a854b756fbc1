import type { SettingGroup, ValuesOf } from '../setting.ts';
import { identitySettings } from './identity.ts';
import { runSettings } from './runs.ts';
import { launcherSettings, serverSettings } from './server.ts';
import { sessionSettings } from './sessions.ts';
import { storageSettings } from './storage.ts';
import { telemetrySettings } from './telemetry.ts';
import { upstreamSettings } from './upstream.ts';

/** Every setting that people set, in the order in which they read them. */
export const GROUPS: readonly SettingGroup[] = [
  { title: 'Server', settings: serverSettings },
  { title: 'Models', settings: upstreamSettings },
  { title: 'Sessions and recordings', settings: sessionSettings },
  { title: 'Agent runs', settings: runSettings },
  { title: 'Identity and limits', settings: identitySettings },
  { title: 'Database, Redis, storage, secrets', settings: storageSettings },
  { title: 'Telemetry', settings: telemetrySettings },
];

export const SETTINGS = {
  ...serverSettings,
  ...upstreamSettings,
  ...sessionSettings,
  ...runSettings,
  ...identitySettings,
  ...storageSettings,
  ...telemetrySettings,
  ...launcherSettings,
};

export type SettingName = keyof typeof SETTINGS;
export type Values = ValuesOf<typeof SETTINGS>;
