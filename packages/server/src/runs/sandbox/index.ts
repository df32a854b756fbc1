/**
 * Where agents' processes run (`sandbox.ts` is the port). `createSandbox` tries out bubblewrap with
 * the flags it will use and answers a sandbox that isolates, or one that says that it does not.
 *
 * Invariants: nothing of the server's environment, files, sockets or network is visible inside
 * unless a mount names it; what is started inside ends with the process that started it, and with
 * the server.
 */

export type { SandboxOptions, SandboxProbe } from './create.ts';
export { createSandbox, probeSandbox, SANDBOX_UID, TMP_MAX_BYTES } from './create.ts';
export {
  GATEWAY_PORT,
  HOME_DIR,
  PROXY_PORT,
  type Sandbox,
  type SandboxCommand,
  type SandboxedProcess,
  type SandboxMounts,
  type SandboxOwner,
  WORKSPACE_DIR,
} from './sandbox.ts';
