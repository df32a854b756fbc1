/** The embedded database as any user, in any folder, on any volume. */
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fileSystemType, refuseNetworkVolume } from './data-folder.ts';
import { Committer, databaseProcesses } from './testing.ts';

const WAIT = { timeout: 60_000, interval: 20 };
/** Each makes a database or two, which takes many seconds on a busy machine. */
const TIMEOUT_MS = 180_000;
const NOBODY = 65534;
const isRoot = process.getuid!() === 0;

let folder: string;
let dataDir: string;
let committers: Committer[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-around-'));
  dataDir = join(folder, 'data');
  committers = [];
});

afterEach(async () => {
  await Promise.all(committers.map(committer => committer.signal('SIGKILL')));
  await vi.waitFor(() => expect(databaseProcesses(folder)).toEqual([]), WAIT);
  rmSync(folder, { recursive: true, force: true });
});

function start(prefix: string[]): Committer {
  const committer = new Committer([dataDir], prefix);
  committers.push(committer);
  return committer;
}

async function works(committer: Committer): Promise<void> {
  await committer.open();
  await committer.acks(3);
  expect(await committer.signal('SIGTERM')).toBe(0);
  expect(databaseProcesses(folder)).toEqual([]);
}

const owner = () => statSync(join(dataDir, 'postgres-18')).uid;

describe('below a folder of mode 0700', { timeout: TIMEOUT_MS }, () => {
  /**
   * Starts as root of a user namespace that holds `ids` users, and in which no further namespaces
   * are allowed: what some container engines do.
   */
  async function startWithoutNamespaces(ids: number): Promise<Committer> {
    const script = 'read go; echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"';
    const committer = start(['unshare', '--user', '--keep-caps', 'sh', '-c', script, 'sh']);
    const of = (pid: number | string) => readlinkSync(`/proc/${pid}/ns/user`);
    const pid = committer.child.pid!;
    await vi.waitFor(() => expect(of(pid)).not.toBe(of('self')), WAIT);
    // An ordinary user may map nothing but itself.
    if (!isRoot) writeFileSync(`/proc/${pid}/setgroups`, 'deny');
    const [uid, gid] = [process.getuid!(), process.getgid!()];
    writeFileSync(`/proc/${pid}/uid_map`, `0 ${uid} ${ids}`);
    writeFileSync(`/proc/${pid}/gid_map`, `0 ${gid} ${ids}`);
    committer.child.stdin!.write('go\n');
    return committer;
  }

  it('runs for root in a user namespace, and the files stay root’s', async () => {
    const asRoot = isRoot ? [] : ['unshare', '--user', '--map-root-user'];
    await works(start(asRoot));
    expect(owner()).toBe(process.getuid!());
  });

  const asAnotherUser = 'runs for root as another user where namespaces are refused';
  if (!isRoot) console.warn(`left out, because only root can map other users: ${asAnotherUser}`);
  else
    it(asAnotherUser, async () => {
      await works(await startWithoutNamespaces(NOBODY + 2));
      expect(owner()).toBe(NOBODY);
      // The same folder the other way, and back.
      await works(start([]));
      expect(owner()).toBe(0);
      await works(await startWithoutNamespaces(NOBODY + 2));
      expect(owner()).toBe(NOBODY);
    });

  it('reports what to do where root has no way', async () => {
    const committer = await startWithoutNamespaces(1);
    expect(await committer.ended).toBe(1);
    expect(committer.errors).toMatch(/start Holdfast as another user, or set DATABASE_URL/);
  });

  it('runs for an ordinary user', async () => {
    // The capability stands for the right to read this repository, which may be root's alone.
    const ordinary = [
      ...['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'],
      ...['--securebits=+no_setuid_fixup', '--inh-caps=-all,+dac_override'],
      '--ambient-caps=-all,+dac_override',
    ];
    if (isRoot) chownSync(folder, NOBODY, NOBODY);
    await works(start(isRoot ? ordinary : []));
    expect(owner()).toBe(isRoot ? NOBODY : process.getuid!());
  });
});

describe('on a volume of its own', { timeout: TIMEOUT_MS }, () => {
  /** The volume is seen by the committer alone, and by us through its process. */
  function startOnVolume(sizeMb: number): { committer: Committer; seen: () => string } {
    const volume = join(folder, 'volume');
    mkdirSync(volume);
    dataDir = join(volume, 'data');
    const script = `mount -t tmpfs -o size=${sizeMb}m,mode=700 tmpfs "$0" && exec "$@"`;
    const namespaces = ['unshare', '--user', '--map-root-user', '--mount'];
    const committer = start([...namespaces, 'sh', '-c', script, volume]);
    return { committer, seen: () => `/proc/${committer.child.pid}/root${volume}` };
  }

  it('comes back by itself once there is room', async () => {
    const { committer, seen } = startOnVolume(120);
    await committer.open();
    await committer.acks(3);
    const client = new pg.Client({
      host: join(seen(), 'data/socket'),
      user: 'holdfast',
      database: 'postgres',
    });
    client.on('error', () => {});
    await client.connect();
    // Keeps the log from being used again, which on a busy machine is as fast as this test writes.
    await client.query("select pg_create_physical_replication_slot('keep', true)");
    const filler = join(seen(), 'filler');
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(1024 * 1024), { flag: 'a' });
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    }
    const useUp = async () => {
      for (;;)
        await client.query("select pg_switch_wal(), pg_logical_emit_message(false, 'x', 'y')");
    };
    await expect(useUp()).rejects.toThrow();
    void client.end().catch(() => {});
    const warning = await committer.next(line => line.cause?.startsWith('no room') === true);
    expect(warning.cause).toContain(dataDir);
    await committer.next(line => line.refused !== undefined);
    rmSync(filler);
    await committer.acks(3);
    const { acked } = committer;
    expect(acked).toBeGreaterThanOrEqual(6);
    expect(await committer.signal('SIGTERM')).toBe(0);
  });

  it('runs beside a `/dev/shm` that is too small to share memory', async () => {
    const script = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"';
    await works(
      start(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh']),
    );
  });

  it('is not made without room, with the reason', async () => {
    const { committer } = startOnVolume(8);
    expect(await committer.ended).toBe(1);
    expect(committer.errors).toContain(`no room on the volume of ${dataDir}`);
  });
});

describe('the type of a volume', () => {
  const MOUNTS = [
    '21 1 8:1 / / rw - ext4 /dev/sda1 rw',
    '22 21 0:40 / /data rw - nfs4 server:/data rw',
    '23 22 0:41 / /data/my\\040disk rw - xfs /dev/sdb1 rw',
    '24 21 0:42 / /remote rw - fuse.sshfs me@there: rw',
    '25 21 0:43 / /over rw - tmpfs tmpfs rw',
    '26 21 0:44 / /over rw - cifs //server/over rw',
  ].join('\n');

  it.each([
    ['/home/me', 'ext4'],
    ['/database', 'ext4'],
    ['/data', 'nfs4'],
    ['/data/x', 'nfs4'],
    ['/data/my disk/x', 'xfs'],
    ['/remote/x', 'fuse.sshfs'],
    ['/over/x', 'cifs'],
  ])('of %s is %s', (path, type) => {
    expect(fileSystemType(path, MOUNTS)).toBe(type);
  });

  it('is refused for a network file system', () => {
    for (const path of ['/data', '/remote', '/over']) {
      expect(() => refuseNetworkVolume(path, MOUNTS)).toThrow(/network file system .*DATABASE_URL/);
    }
    refuseNetworkVolume('/home', MOUNTS);
    refuseNetworkVolume(folder, readFileSync('/proc/self/mountinfo', 'utf8'));
  });
});
