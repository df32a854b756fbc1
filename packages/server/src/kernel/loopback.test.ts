import { expect, it } from 'vitest';
import { isLoopbackHost } from './loopback.ts';

it.each([
  '0.0.0.0',
  '::',
  '',
  '10.0.0.1',
  'example.com',
  '128.0.0.1',
  'localhost.example.com',
  '127.1',
  '::ffff:127.0.0.1',
])('%s may be somewhere else', host => {
  expect(isLoopbackHost(host)).toBe(false);
});

it.each(['127.0.0.1', 'localhost', 'LOCALHOST', '::1', '[::1]', '127.8.9.1'])(
  '%s is this machine',
  host => {
    expect(isLoopbackHost(host)).toBe(true);
  },
);
