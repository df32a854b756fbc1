import { spawn } from 'node:child_process';
import { openEnvironment } from './environment.ts';
import { GroupProcess } from './group-process.ts';
import type { Sandbox } from './sandbox.ts';

/**
 * No isolation: processes of the server's own user, on the host's paths and network. Only the
 * environment is still an allowlist, and the process group is still one that can be ended whole.
 */
export function createOpenSandbox(note: string): Sandbox {
  return {
    isolated: false,
    note,
    paths: mounts => ({ workspace: mounts.workspace, home: mounts.home, gatewayUrl: null }),
    spawn(command) {
      const [program = '', ...args] = command.command;
      const child = spawn(program, args, {
        env: openEnvironment(command),
        cwd: command.mounts.workspace,
        detached: true,
        stdio: 'pipe',
      });
      return new GroupProcess(child);
    },
    close: async () => {},
  };
}
