/**
 * Where agents' processes run (`sandbox.ts` is the port). `createSandbox` tries out bubblewrap with
 * the flags it will use and answers a sandbox that isolates, or one whose `isolated` is false.
 *
 * Invariants: nothing of the server's environment, files, sockets or network is visible inside
 * unless a mount names it; what is started inside ends with the process that started it, and with
 * the server.
 */
export { createSandbox } from './create.ts';
export type { Sandbox, SandboxedProcess, SandboxMounts } from './sandbox.ts';
