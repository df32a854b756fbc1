import { existsSync } from 'node:fs';
import { join } from 'node:path';
import serveStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HoldfastError } from '../kernel/index.ts';

/**
 * The built pages of one single-page application. Files below `/assets/` carry a hash in their
 * name and are cached for ever; browsers revalidate everything else. A browser that navigates to a
 * path of the application itself gets its `index.html`.
 */
export interface StaticSite {
  readonly directory: string;
  /** Paths below these are never pages, such as `/v1/`. */
  readonly reservedPrefixes: readonly string[];
  /** What to do when the pages are not built; plain text for people. */
  readonly notBuilt: string;
}

const CONFIG = { policy: 'public.console', quiet: true } as const;
const HIDDEN = { hide: true } as const;
const ROOT_FILES = ['favicon.svg', 'favicon.ico', 'robots.txt', 'manifest.webmanifest'];

export async function addStaticSite(app: FastifyInstance, site: StaticSite): Promise<void> {
  const index = join(site.directory, 'index.html');
  await app.register(serveStatic, {
    root: site.directory,
    serve: false,
    index: false,
    dotfiles: 'deny',
    // Set by us per file; the plugin's own header would win otherwise.
    cacheControl: false,
  });
  app.get('/', { config: CONFIG, schema: HIDDEN }, async (_request, reply) =>
    sendIndex(index, site, reply),
  );
  app.get<{ Params: { '*': string } }>(
    '/assets/*',
    { config: CONFIG, schema: HIDDEN },
    async (request, reply) => {
      reply.header('cache-control', 'public, max-age=31536000, immutable');
      return reply.sendFile(`assets/${request.params['*']}`);
    },
  );
  for (const file of ROOT_FILES) {
    app.get(`/${file}`, { config: CONFIG, schema: HIDDEN }, async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=3600');
      return reply.sendFile(file);
    });
  }
}

/** Whether an unmatched request is a person navigating within the application. */
export function isNavigation(request: FastifyRequest, site: StaticSite): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  if (!request.headers.accept?.includes('text/html')) return false;
  const path = request.url.split('?', 1)[0] ?? '';
  return !site.reservedPrefixes.some(prefix => path.startsWith(prefix)) && !/\.\w+$/.test(path);
}

export function sendSite(site: StaticSite, reply: FastifyReply): FastifyReply {
  return sendIndex(join(site.directory, 'index.html'), site, reply);
}

function sendIndex(index: string, site: StaticSite, reply: FastifyReply): FastifyReply {
  reply.header('cache-control', 'no-cache');
  if (existsSync(index)) return reply.sendFile('index.html');
  if (!reply.request.headers.accept?.includes('text/html')) {
    throw new HoldfastError('unavailable', site.notBuilt);
  }
  return reply.status(503).type('text/html; charset=utf-8').send(notBuiltPage(site.notBuilt));
}

function notBuiltPage(text: string): string {
  const safe = text.replace(/[&<>"]/g, char => `&#${char.charCodeAt(0)};`);
  const head = '<meta charset="utf-8"><title>Not built</title>';
  return `<!doctype html><html lang="en">${head}<p>${safe}</p></html>\n`;
}
