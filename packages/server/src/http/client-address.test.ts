import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createProxyTrust } from './client-address.ts';

function from(remoteAddress: string | undefined, headers: Record<string, string> = {}) {
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage;
}

describe('the address of a client', () => {
  it('is never taken from an untrusted peer', () => {
    const trust = createProxyTrust(['10.0.0.0/8']);
    const forged = from('192.0.2.1', {
      'x-forwarded-for': '1.2.3.4',
      'x-forwarded-proto': 'https',
    });
    expect(trust.addressOf(forged)).toBe('192.0.2.1');
    expect(trust.secureOf(forged)).toBe(false);
    const none = createProxyTrust([]);
    const local = from('127.0.0.1', { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https' });
    expect([none.addressOf(local), none.secureOf(local)]).toEqual(['127.0.0.1', false]);
    expect(none.addressOf(from(undefined))).toBeUndefined();
  });

  it('is the last untrusted address before a chain of trusted proxies', () => {
    const trust = createProxyTrust(['10.0.0.0/8', '2001:db8::1']);
    const chain = (list: string, peer = '10.0.0.1') =>
      trust.addressOf(from(peer, { 'x-forwarded-for': list }));
    expect(chain('6.6.6.6, 198.51.100.7, 10.9.9.9')).toBe('198.51.100.7');
    expect(chain('198.51.100.7', '::ffff:10.0.0.1')).toBe('198.51.100.7');
    expect(chain('198.51.100.7', '2001:db8::1')).toBe('198.51.100.7');
    const wide = createProxyTrust(['2001:db8::/32']);
    const behind = (peer: string) =>
      wide.addressOf(from(peer, { 'x-forwarded-for': '192.0.2.7, 2001:db8:1::9' }));
    expect([behind('2001:db8::2'), behind('2001:db9::2')]).toEqual(['192.0.2.7', '2001:db9::2']);
    expect(chain('')).toBe('10.0.0.1');
    expect(chain('nonsense')).toBe('10.0.0.1');
    expect(chain(Array.from({ length: 50 }, () => '10.0.0.2').join(','))).toBe('10.0.0.2');
    const long = ['198.51.100.7', ...Array.from({ length: 10 }, () => '10.0.0.2')].join(',');
    expect(chain(long)).toBe('10.0.0.2');
    expect(trust.secureOf(from('10.0.0.1', { 'x-forwarded-proto': 'https' }))).toBe(true);
    expect(trust.secureOf(from('10.0.0.1', { 'x-forwarded-proto': 'http' }))).toBe(false);
  });

  it('is the first in the chain where all addresses of a family are trusted', () => {
    const clientOf = (range: string, peer: string, list: string) =>
      createProxyTrust([range]).addressOf(from(peer, { 'x-forwarded-for': list }));
    expect(clientOf('0.0.0.0/0', '203.0.113.9', '1.2.3.4, 9.9.9.9')).toBe('1.2.3.4');
    expect(clientOf('0.0.0.0/0', '2001:db8::1', '1.2.3.4')).toBe('2001:db8::1');
    expect(clientOf('::/0', '2001:db8::1', 'fd00::7, ::1')).toBe('fd00::7');
    expect(clientOf('::/0', '203.0.113.9', '1.2.3.4')).toBe('203.0.113.9');
  });

  it.each(['10.0.0.0/99', 'proxy', ''])('refuses to start with an invalid range (%j)', range => {
    expect(() => createProxyTrust([range])).toThrow('no range');
  });
});
