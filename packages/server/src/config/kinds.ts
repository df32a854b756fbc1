import { isIP } from 'node:net';
import { z } from 'zod';
import { isLoopbackHost } from '../kernel/index.ts';
import { Secret } from './secret.ts';
import type { Kind } from './setting.ts';

/** The kinds of values that settings have. Each turns the text of the environment into its type. */

const TRUE = new Set(['1', 'true', 'yes', 'on']);
const FALSE = new Set(['0', 'false', 'no', 'off']);
const EVENT_PART = /^[\w.-]+(:[\w-]+(\[\])*(\.[\w-]+(\[\])*)*(=(\*|[^|=]+(\|[^|=]+)*))?)?$/;

function kind<T>(form: string, schema: z.ZodType<T, string>): Kind<T> {
  return { form, schema, secret: false };
}

export const text = kind('text', z.string().max(4096));

/** `minChars` keeps out values that could be guessed; the value itself is never shown. */
export function secret(minChars = 1): Kind<Secret> {
  return {
    form: minChars > 1 ? `at least ${minChars} characters` : 'text',
    schema: z
      .string()
      .min(minChars)
      .max(16_384)
      .transform(value => new Secret(value)),
    secret: true,
  };
}

export const flag = kind(
  '`true` or `false`',
  z
    .string()
    .toLowerCase()
    .refine(value => TRUE.has(value) || FALSE.has(value))
    .transform(value => TRUE.has(value)),
);

export function integer(min: number, max: number): Kind<number> {
  return kind(
    `a whole number from ${min} to ${max}`,
    z
      .string()
      .regex(/^-?\d{1,15}$/)
      .transform(Number)
      .pipe(z.number().min(min).max(max)),
  );
}

export const port = integer(0, 65_535);

export const ratio = kind(
  'a number from 0 to 1',
  z
    .string()
    .regex(/^\d(\.\d+)?$/)
    .transform(Number)
    .pipe(z.number().min(0).max(1)),
);

/** One of the choices, or another spelling of one. */
export function choice<const C extends string>(
  choices: readonly C[],
  aliases: Readonly<Record<string, C>>,
): Kind<C> {
  const schema = z
    .string()
    .toLowerCase()
    .transform(value => aliases[value] ?? value)
    .pipe(z.enum(choices));
  return kind(`one of ${quoted(choices)}`, schema);
}

/** A comma-separated set of choices, at least one. */
export function choices<const C extends string>(all: readonly C[]): Kind<readonly C[]> {
  return kind(
    `a comma-separated list of ${quoted(all)}`,
    z
      .string()
      .toLowerCase()
      .transform(splitList)
      .pipe(z.array(z.enum(all)).min(1))
      .transform(list => [...new Set(list)]),
  );
}

export const list: Kind<readonly string[]> = kind(
  'a comma-separated list',
  z.string().max(4096).transform(splitList),
);

/** As `auth/` names projects. */
const PROJECT_ID = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/);
export const projectId = kind('lower-case letters, digits, - and _', PROJECT_ID);
export const projectIds: Kind<readonly string[]> = kind(
  'a comma-separated list of lower-case letters, digits, - and _',
  z.string().max(4096).transform(splitList).pipe(z.array(PROJECT_ID)),
);

/** Addresses and ranges in CIDR notation. */
export const networks: Kind<readonly string[]> = kind(
  'a comma-separated list of IP addresses or ranges such as `10.0.0.0/16`',
  z
    .string()
    .max(4096)
    .transform(splitList)
    .pipe(z.array(z.string().refine(isNetwork))),
);

/** Hosts that may be connected to: `host` or `*.suffix`, each with `:port` or without. */
export const hostPatterns: Kind<readonly string[]> = kind(
  'a comma-separated list of `host`, `*.suffix`, `host:port` or `*.suffix:port`',
  z
    .string()
    .max(16_384)
    .toLowerCase()
    .transform(splitList)
    .pipe(z.array(z.string().refine(isHostPattern))),
);

/** Types of realtime events, or fields of them: `type:path`, as `realtime/known-event.ts` reads. */
export const eventParts: Kind<readonly string[]> = kind(
  'a comma-separated list of event types, or of fields as `type:path.of[].field`',
  z
    .string()
    .max(16_384)
    .transform(splitList)
    .pipe(z.array(z.string().regex(EVENT_PART))),
);

/** `name=value` pairs; the last of one name counts. */
export const pairs: Kind<Readonly<Record<string, string>>> = kind(
  'comma-separated pairs `name=value`',
  z
    .string()
    .max(16_384)
    .transform(splitList)
    .pipe(z.array(z.string().regex(/^[^=]+=[^=]+$/)))
    .transform(all =>
      Object.fromEntries(all.map(pair => pair.split('=').map(part => part.trim()))),
    ),
);

/** A comma-separated list of web origins such as `http://localhost:3000`. */
export const origins: Kind<readonly string[]> = kind(
  'a comma-separated list of origins (`scheme://host[:port]`, no path, no `*`)',
  z
    .string()
    .transform(splitList)
    .pipe(z.array(z.string().refine(isOrigin))),
);

export const httpUrl = kind(
  'an `http` or `https` URL without credentials',
  urlSchema(['http:', 'https:']),
);

/** Kept to the letter: tokens name their issuer exactly, with or without a slash at the end. */
export const issuerUrl = kind('an `http` or `https` URL', urlSyntax(['http:', 'https:']));

/** `http` would carry a key in the clear, so it is accepted for this machine only. */
export const upstreamUrl = kind(
  'an `https` URL without credentials (`http` only for loopback)',
  urlSchema(['http:', 'https:']).refine(
    value => value.startsWith('https:') || isLoopbackHost(new URL(value).hostname),
  ),
);

/** PostgreSQL's connection URL; a SQLAlchemy driver suffix (`postgresql+asyncpg`) is taken off. */
export const postgresUrl: Kind<Secret> = {
  form: 'a `postgresql://` URL',
  schema: z
    .string()
    .transform(value => value.replace(/^(postgres(?:ql)?)\+\w+:/, '$1:'))
    .refine(value => ['postgres:', 'postgresql:'].includes(parseUrl(value)?.protocol ?? ''))
    .transform(value => new Secret(value)),
  secret: true,
};

/** 32 bytes in base64: an AES-256 key. */
export const key256: Kind<Secret> = {
  form: '32 bytes in base64',
  schema: z
    .base64()
    .refine(value => Buffer.from(value, 'base64').length === 32)
    .transform(value => new Secret(value)),
  secret: true,
};

function urlSyntax(protocols: readonly string[]) {
  return z.string().refine(value => {
    const url = parseUrl(value);
    if (!url || url.username || url.password) return false;
    return protocols.includes(url.protocol);
  });
}

function urlSchema(protocols: readonly string[]) {
  return urlSyntax(protocols).transform(value => value.replace(/\/+$/, ''));
}

function parseUrl(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined;
}

function isOrigin(value: string): boolean {
  const url = parseUrl(value);
  return url !== undefined && url.origin === value && value !== 'null';
}

function isNetwork(value: string): boolean {
  const [, address = '', bits] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(bits ?? 0) <= (version === 4 ? 32 : 128);
}

function isHostPattern(value: string): boolean {
  const [, star, host = '', port] =
    /^(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]{1,253})(?::(\d{1,5}))?$/.exec(value) ?? [];
  const url = parseUrl(`http://${host}`);
  if (!url || (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535))) return false;
  const isAddress = /^\[|^[\d.]+$/.test(url.hostname);
  return star === undefined || !isAddress;
}

function splitList(value: string): string[] {
  return value
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
}

function quoted(values: readonly string[]): string {
  return values.map(value => `\`${value}\``).join(', ');
}
