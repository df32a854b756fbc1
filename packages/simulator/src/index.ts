/**
 * A stand-in for the providers' models: a process of its own that speaks the GA Realtime protocol
 * over WebSocket and WebRTC, and four text protocols over HTTP, so that clients and gateways cannot
 * tell. It understands nothing, and says so; what it offers instead is repeatability, faults on
 * demand, and exact accounts of what it received.
 *
 * Nothing here may be imported by production code.
 */
export type { Script, ScriptTurn } from './script.ts';
export { type Simulator, startSimulator } from './server.ts';
export {
  type Behaviour,
  describeSettings,
  type Settings,
  SettingsError,
  type SettingsInput,
  settingsFromEnvironment,
} from './settings.ts';
