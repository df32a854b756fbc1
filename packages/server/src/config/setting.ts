import type { z } from 'zod';

/**
 * One described setting. Loading, checking, `npm run config`, `.env.example` and the reference page
 * all come from these descriptions; nothing about a setting is written down anywhere else.
 */
export interface Kind<T> {
  readonly schema: z.ZodType<T, string>;
  /** What is accepted, as it completes the sentence "expected …". */
  readonly form: string;
  readonly secret: boolean;
}

export interface Setting<T> {
  readonly kind: Kind<unknown>;
  /** Parsed like a given value when the setting is absent; undefined: it stays absent. */
  readonly fallback: string | undefined;
  /** One or two sentences: what it does, and its unit. */
  readonly description: string;
  /** A value for the sample file, where neither fallback nor an empty one would teach anything. */
  readonly example: string | undefined;
  /** Only carries the type; never set. */
  readonly type?: T;
}

export interface SettingGroup {
  readonly title: string;
  readonly settings: Readonly<Record<string, Setting<unknown>>>;
}

interface Description {
  readonly description: string;
  readonly example?: string;
}

/** A setting that always has a value. */
export function setting<T>(
  kind: Kind<T>,
  fallback: string,
  { description, example }: Description,
): Setting<T> {
  return { kind, fallback, description, example };
}

/** A setting that may be absent. */
export function optional<T>(
  kind: Kind<T>,
  { description, example }: Description,
): Setting<T | undefined> {
  return { kind, fallback: undefined, description, example };
}

/** The parsed values of a record of settings. */
export type ValuesOf<S extends Readonly<Record<string, Setting<unknown>>>> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};
