import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import { HoldfastError } from '../../kernel/index.ts';
import { type BlobStore, getSealed, putSealed } from '../../platform/blobs/index.ts';
import type { Sealer } from '../../platform/secrets/index.ts';

/**
 * What a process that lets go of a session leaves for the one that goes on with it: JSON in the
 * blob store, sealed with the session's key. A replica of another revision may read it: an unknown
 * version is refused, and the session ends as if nothing had been left.
 */
const VERSION = 1;
/** Conversation, input and output of at most 4 MiB each, in base64, and configuration. */
const RECORD_MAX_BYTES = 32 * 1024 * 1024;

const json = z.record(z.string(), z.unknown());
const count = z.number().int().min(0);

const record = z.object({
  version: z.literal(VERSION),
  /** As in `RelayedSessionOptions`. */
  session: z.object({
    config: json,
    locked: z.array(z.string()),
    orPreview: z.boolean(),
    acknowledges: z.boolean(),
    safetyIdentifier: z.string().optional(),
  }),
  upstream: z.object({
    conversation: z.object({
      config: json.optional(),
      items: z
        .array(
          z.object({
            value: json,
            audio: z.string().optional(),
            transcript: z.string().optional(),
            heardMs: z.number().optional(),
          }),
        )
        .readonly(),
      forgotten: count,
    }),
    first: z.array(z.string()).readonly(),
    lostInput: count,
  }),
  client: z.object({
    handles: z.array(z.string()),
    input: count,
    messages: count,
    acknowledged: count,
    sent: count,
    /** Base64. */
    frames: z.array(z.string()),
  }),
});

export type HandoverRecord = Omit<z.infer<typeof record>, 'version'>;

export interface RecordDeps {
  readonly blobs: Pick<BlobStore, 'put' | 'get' | 'delete'>;
  readonly sealer: Pick<Sealer, 'sealStream' | 'openStream'>;
}

/** Answers the blob's key. `fence` is of the lease under which it is written. */
export async function putRecord(
  deps: RecordDeps,
  { sessionId, fence }: { readonly sessionId: string; readonly fence: number },
  left: HandoverRecord,
): Promise<string> {
  const key = `handovers/${sessionId}/${fence}`;
  const body = Readable.from([Buffer.from(JSON.stringify({ version: VERSION, ...left }))]);
  const options = { contentType: 'application/json', maxBytes: RECORD_MAX_BYTES };
  return (await putSealed(deps, { subject: sessionId, key }, body, options)).key;
}

/** Throws `gone` where it is not there any more. */
export async function getRecord(deps: RecordDeps, key: string): Promise<HandoverRecord> {
  const body = await getSealed(deps, key);
  if (body === null) throw new HoldfastError('gone', 'This session was taken up elsewhere.');
  return record.parse(JSON.parse((await buffer(body)).toString('utf8')));
}
