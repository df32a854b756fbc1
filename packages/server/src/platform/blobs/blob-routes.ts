import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { HoldfastError } from '../../kernel/index.ts';
import { parseByteRange } from './byte-range.ts';
import type { FilesystemBlobs } from './filesystem-blobs.ts';

const query = z.object({
  expires: z.coerce.number().int().positive(),
  signature: z.string().min(1).max(128),
});
const params = z.object({ '*': z.string().max(1024) });

/**
 * `GET /blobs/<key>?expires=…&signature=…`: what signed links of the filesystem adapter point to.
 * The link is the permission: no other credential is needed. Only the holder of a genuine link
 * learns whether the blob exists. `onRead` is told of each blob that is sent; nothing waits for it.
 */
export function blobRoutes(
  store: FilesystemBlobs,
  onRead: (key: string) => void = () => {},
): FastifyPluginAsync {
  return async plain => {
    plain.withTypeProvider<ZodTypeProvider>().get(
      '/blobs/*',
      {
        config: { policy: 'public.blobs', embeddable: true },
        schema: {
          tags: ['recordings'],
          summary: 'A blob, through a signed link',
          params,
          querystring: query,
        },
      },
      async (request, reply) => {
        const key = request.params['*'];
        const { expires, signature } = request.query;
        if (!store.verify(key, expires, signature)) {
          throw new HoldfastError('forbidden', 'The link is not valid or has expired.');
        }
        const blob = await findBlob(store, key, request.headers.range);
        onRead(key);
        return sendBlob(blob, reply);
      },
    );
  };
}

async function findBlob(store: FilesystemBlobs, key: string, rangeHeader: string | undefined) {
  const info = await store.head(key);
  const range = info ? parseByteRange(rangeHeader, info.sizeBytes) : undefined;
  const blob = info ? await store.get(key, range) : null;
  if (!info || !blob) throw new HoldfastError('not_found', 'There is no such blob.');
  return { ...info, range, body: blob.body };
}

function sendBlob(
  { sizeBytes, contentType, range, body }: Awaited<ReturnType<typeof findBlob>>,
  reply: FastifyReply,
): FastifyReply {
  // A browser must not run uploaded bytes as a page, whatever they contain.
  reply
    .status(range ? 206 : 200)
    .header('content-type', contentType)
    .header('content-length', range ? range.end - range.start + 1 : sizeBytes)
    .header('accept-ranges', 'bytes')
    .header('cache-control', 'no-store')
    .header('content-security-policy', "default-src 'none'; sandbox")
    .header('x-content-type-options', 'nosniff');
  if (range) reply.header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
  return reply.send(body);
}
