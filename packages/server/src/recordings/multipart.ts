import type { Multipart, MultipartFile } from '@fastify/multipart';
import { type RecordingMetadata, recordingMetadata } from '@holdfast/protocol';
import { HoldfastError, parseJson } from '../kernel/index.ts';
import type { SpooledFile } from './spool.ts';
import { tooLarge } from './spool.ts';

/** The `metadata` part: the longest transcription in UTF-8, and the rest. */
const METADATA_MAX_BYTES = 128 * 1024;
/** One file and one field are meant; a few more are read so that the refusal can name them. */
export const MULTIPART_LIMITS = {
  files: 2,
  fields: 4,
  parts: 6,
  headerPairs: 20,
  fieldNameSize: 100,
  fieldSize: METADATA_MAX_BYTES,
} as const;

export interface UploadForm {
  readonly file: SpooledFile;
  readonly metadata: RecordingMetadata;
}

/**
 * Reads `audio_file` and `metadata`, in whichever order they come. Throws naming the part at
 * fault; what was spooled is the caller's to remove.
 */
export async function readUploadForm(
  parts: AsyncIterable<Multipart>,
  receive: (part: MultipartFile) => Promise<SpooledFile>,
): Promise<UploadForm> {
  let file: SpooledFile | undefined;
  let metadata: RecordingMetadata | undefined;
  for await (const part of parts) {
    if (part.fieldname === 'audio_file' && part.type === 'file') {
      if (file) throw invalid('audio_file', 'Send exactly one audio_file.');
      file = await receiveFile(part, receive);
    } else if (part.fieldname === 'metadata' && part.type === 'field') {
      if (metadata) throw invalid('metadata', 'Send exactly one metadata part.');
      if (part.valueTruncated) {
        throw invalid('metadata', `metadata may have at most ${METADATA_MAX_BYTES} bytes.`);
      }
      metadata = parseMetadata(part.value);
    } else {
      throw invalid(
        part.fieldname.slice(0, 100),
        'Only the file audio_file and the field metadata are accepted.',
        ['audio_file', 'metadata'],
      );
    }
  }
  if (!file) throw invalid('audio_file', 'The file part audio_file is missing.');
  if (!metadata) throw invalid('metadata', 'The field metadata is missing.');
  return { file, metadata };
}

async function receiveFile(
  part: MultipartFile,
  receive: (part: MultipartFile) => Promise<SpooledFile>,
): Promise<SpooledFile> {
  // The name is never used; one that holds a path shows a broken or hostile client.
  if (/[/\\]|\.\.|\0/.test(part.filename)) {
    throw invalid('audio_file', 'The file name of audio_file may not contain a path.');
  }
  const file = await receive(part);
  if (part.file.truncated) throw tooLarge(file.sizeBytes);
  if (file.sizeBytes === 0) throw invalid('audio_file', 'audio_file is empty.');
  return file;
}

function parseMetadata(value: unknown): RecordingMetadata {
  const parsed = typeof value === 'string' ? parseJson(value, 'metadata', 'metadata') : value;
  const result = recordingMetadata.safeParse(parsed);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const field = ['metadata', ...issue.path.map(String)].join('.');
  throw new HoldfastError('unprocessable', `${field}: ${issue.message}`, { field });
}

function invalid(field: string, detail: string, allowed?: readonly string[]): HoldfastError {
  return new HoldfastError('invalid_request', detail, { field, ...(allowed && { allowed }) });
}
