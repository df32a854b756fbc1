import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { git } from './git.ts';
import { listRemote, pinned } from './remote.ts';

/** No name server knows it, so a connection proves that the address was passed on. */
const HOST = 'repository.invalid';

it.each([
  ['https', '\x16\x03'],
  ['ssh', 'SSH-2.0-'],
])('git connects over %s to the address it was given', async (scheme, greeting) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const url = new URL(`${scheme}://${HOST}:${port}/a`);
    const env = pinned(url, ['127.0.0.1']);
    const remote = { address: url.href, protocols: scheme, env };
    const connected = once(server, 'connection') as Promise<[Socket]>;
    const listing = listRemote(remote, [], 20_000).catch((error: unknown) => error);
    const [socket] = await connected;
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    expect(bytes.toString('latin1').startsWith(greeting)).toBe(true);
    socket.destroy();
    expect(await listing).toMatchObject({ code: 'unprocessable' });
  } finally {
    server.close();
  }
});

it('finds no server without it: the control', async () => {
  const args = ['ls-remote', '--', `https://${HOST}/a`];
  await expect(git(args, { protocols: 'https', timeoutMs: 20_000 })).rejects.toThrow();
});
