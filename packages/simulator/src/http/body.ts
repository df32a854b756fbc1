/** Reading request bodies, bounded. */
import type { IncomingMessage } from 'node:http';
import { MAX_BODY_BYTES } from '../limits.ts';
import { HttpError } from './respond.ts';

export async function readBody(
  request: IncomingMessage,
  maxBytes = MAX_BODY_BYTES,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    sizeBytes += part.length;
    if (sizeBytes > maxBytes) throw new HttpError(413, 'Request body is too large.');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

export async function readJson(request: IncomingMessage): Promise<unknown> {
  const body = await readBody(request);
  if (body.length === 0) return {};
  return parseJson(body.toString('utf8'));
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new HttpError(400, 'We could not parse the JSON body of your request.');
  }
}

/** The text fields of a multipart form; files count as text. */
export async function readForm(body: Buffer, contentType: string): Promise<Map<string, string>> {
  const fields = new Map<string, string>();
  try {
    const headers = { 'content-type': contentType };
    const form = await new Response(new Uint8Array(body), { headers }).formData();
    for (const [name, value] of form) {
      fields.set(name, typeof value === 'string' ? value : await value.text());
    }
  } catch {
    throw new HttpError(400, 'Could not parse multipart form.');
  }
  return fields;
}
