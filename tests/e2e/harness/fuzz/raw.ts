/** Bytes that are nearly HTTP. Each goes on a connection of its own, which is then half-closed. */
import fc from 'fast-check';
import { handshake } from '../../../../packages/server/src/http/testing.ts';
import type { Known } from './known-things.ts';
import { nastyText } from './values.ts';

export function rawBytes(path: string, known: Known): fc.Arbitrary<Buffer> {
  const text = nastyText.map(value => value.slice(0, 200));
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...malformed(path, known.host)).map(latin1) },
    { weight: 3, arbitrary: text.map(odd => latin1(lines(`GET ${path}${odd} HTTP/1.1`, known))) },
    { weight: 2, arbitrary: text.map(odd => latin1(lines(`GET ${path} HTTP/1.1`, known, odd))) },
    { weight: 2, arbitrary: text.map(odd => latin1(upgrade(path, known, odd))) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }).map(bytes => Buffer.from(bytes)) },
  );
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');

function lines(first: string, known: Known, header = 'x: y'): string {
  return `${first}\r\nhost: ${known.host}\r\nconnection: close\r\n${header}\r\n\r\n`;
}

/** Upgrades that lack something or ask for what is not there. */
function upgrade(path: string, known: Known, odd: string): string {
  const headers = {
    host: known.host,
    'sec-websocket-key': odd.length % 2 === 0 ? 'dGhlIHNhbXBsZSBub25jZQ==' : odd,
    'sec-websocket-protocol': odd,
  };
  return handshake(`${path}?call_id=${encodeURIComponent(odd.toWellFormed())}`, headers);
}

function malformed(path: string, host: string): string[] {
  const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  const type = 'content-type: application/json\r\n';
  return [
    '\r\n',
    'GET\r\n\r\n',
    `get ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
    `GET  ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
    `GET ${path} HTTP/9.9\r\nhost: ${host}\r\n\r\n`,
    `GET ${path} HTTP/1.0\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n`,
    `GET http://evil.example${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nno colon here\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nx: a\r\n folded\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${'a: b\r\n'.repeat(3000)}\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nx: \u0000\r\n\r\n`,
    `OPTIONS * HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
    `CONNECT ${host} HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `${'X'.repeat(5000)} ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
    `${head}${type}content-length: 100\r\n\r\n{}`,
    `${head}${type}content-length: -1\r\n\r\n{}`,
    `${head}${type}content-length: 2\r\ncontent-length: 3\r\n\r\n{}x`,
    `${head}${type}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${head}${type}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    `${head}${type}transfer-encoding: chunked\r\n\r\n2\r\n{}`,
    `${head}${type}transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    `${head}${type}content-length: 99999999999999999999\r\n\r\n{}`,
    `${head}${type}content-length: 2\r\n\r\n{}GET /livez HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
    `GET /livez HTTP/1.1\r\nhost: ${host}\r\n\r\n`.repeat(50),
  ];
}
