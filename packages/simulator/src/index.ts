/**
 * A stand-in for the providers' realtime model: a process of its own that speaks the GA Realtime
 * protocol over WebSocket and WebRTC, so that clients and gateways cannot tell. It understands
 * nothing, and says so in every sentence; what it offers instead is repeatability, faults on
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
