import { closeSync, readdirSync, readFileSync } from 'node:fs';

const STDERR = 2;
/** `O_CLOEXEC` of Linux on the architectures that Node runs on; Node's own constants lack it. */
const CLOSE_ON_EXEC = 0o2_000_000;

/**
 * Closes descriptors that this process inherited and would pass on to every child, and answers
 * their numbers. Node marks only those near 3 so that no child gets them, such as a launcher's
 * locks; everything that Node opens itself is marked. To be called before anything is started.
 */
export function closeInherited(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter(fd => fd > STDERR && isInherited(fd))
    .map(fd => {
      closeSync(fd);
      return fd;
    });
}

function isInherited(fd: number): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)![1]!, 8);
    return (flags & CLOSE_ON_EXEC) === 0;
  } catch (error) {
    // The folder that was being read is closed by now.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
