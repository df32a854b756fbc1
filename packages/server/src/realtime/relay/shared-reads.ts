/**
 * Reads a socket that Node's server accepted into one buffer shared by all sockets, where Node
 * would allocate 64 KiB for each chunk and give most of it back; that is a fifth of what a relayed
 * frame costs. Node takes a buffer of one's own (`onread`) only when a socket is made, so the
 * accepted socket's handle moves to a new socket. `net.Socket` has taken a `handle` since Node 0.x,
 * as the cluster module needs it, but does not document it: a socket without one stays as it is.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';
import { readBufferBytes } from './limits.ts';
import type { RelayPeer } from './side.ts';
import { Views } from './slab.ts';

type Take = (chunk: Buffer) => void;

/** Where chunks go once the relay reads; until then the stream keeps them. */
export interface SharedReader {
  take: Take | null;
}

/** One buffer for all sockets: each chunk is dealt with before the next is read. */
const readBuffer = Buffer.allocUnsafeSlow(readBufferBytes);
const views = new Views(readBuffer);

/** The `onread` option of a socket whose chunks go to `reader`. */
export function sharedReads(reader: SharedReader, socket: () => Socket) {
  const callback = (bytes: number): boolean => {
    const chunk = views.of(bytes);
    if (reader.take === null) return socket().push(Buffer.from(chunk));
    reader.take(chunk);
    return true;
  };
  return { buffer: readBuffer, callback };
}

/** A peer whose chunks are only borrowed. `socket` was made with `sharedReads(reader)`. */
export function sharedPeer(socket: Socket, head: Buffer, reader: SharedReader): RelayPeer {
  const read = (take: Take) => {
    reader.take = take;
    // A paused socket still reads as much as its stream holds.
    const early = socket.read() as Buffer | null;
    if (early !== null) take(early);
  };
  return { socket, head, read };
}

interface HandleHolder {
  _handle: object | null;
}

/**
 * Moves an accepted socket's handle to a socket that reads into the shared buffer; undefined where
 * there is no handle to move. The two end together, so that code which counts or destroys the
 * accepted socket still works.
 */
export function takeOver(accepted: Socket, head: Buffer): RelayPeer | undefined {
  const holder = accepted as unknown as HandleHolder;
  const handle = holder._handle;
  if (handle === null || accepted.destroyed) return undefined;
  const early = accepted.read() as Buffer | null;
  const reader: SharedReader = { take: null };
  const options = {
    handle,
    allowHalfOpen: true,
    onread: sharedReads(reader, () => socket),
  };
  holder._handle = null;
  const socket: Socket = new Socket(options as SocketConstructorOpts);
  socket.once('close', () => accepted.destroy());
  accepted.once('close', () => socket.destroy());
  return sharedPeer(socket, early === null ? head : Buffer.concat([head, early]), reader);
}
