import { CLONE_NEW, CLONE_NEWTIME, TERMINAL_REQUESTS } from './seccomp.ts';
import { DENIED } from './system-calls.ts';

/**
 * The filter of system calls as the OCI runtime specification has it, for gVisor, which has few of
 * these calls itself: what `seccomp.ts` does, but for `personality`, kinds of sockets and `clone3`,
 * which would have to fail with ENOSYS. Not every gVisor can say that.
 */
export function ociSeccomp(): object {
  const refuse = (names: readonly string[], args: readonly object[] = []) => ({
    ...{ names, args, action: 'SCMP_ACT_ERRNO' },
  });
  /** One rule for each bit: all conditions of a rule must hold together. */
  const refuseBits = (name: string, mask: number) =>
    bitsOf(mask).map(bit =>
      refuse([name], [{ index: 0, value: bit, valueTwo: bit, op: 'SCMP_CMP_MASKED_EQ' }]),
    );
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: [process.arch === 'arm64' ? 'SCMP_ARCH_AARCH64' : 'SCMP_ARCH_X86_64'],
    syscalls: [
      refuse(Object.keys(DENIED)),
      ...refuseBits('clone', CLONE_NEW),
      ...refuseBits('unshare', CLONE_NEW | CLONE_NEWTIME),
      ...TERMINAL_REQUESTS.map(value =>
        refuse(['ioctl'], [{ index: 1, value, op: 'SCMP_CMP_EQ' }]),
      ),
    ],
  };
}

function bitsOf(mask: number): number[] {
  return Array.from({ length: 31 }, (_, n) => 2 ** n).filter(bit => (mask & bit) !== 0);
}
