import {
  entry,
  formatToPreview,
  isObject,
  type Json,
  modalitiesToPreview,
  sessionToGa,
  sessionToPreview,
  shapeOf,
  transcriptionToGa,
  transcriptionToPreview,
  Untranslatable,
} from './session.ts';

/**
 * The preview protocol's events and GA's, each made from the other. Both directions are pure:
 * an event in, at most one event out. Sources: as in `session.ts`, and openai-openapi
 * `RealtimeClientEvent*`, `RealtimeServerEvent*`.
 */
const CLIENT_EVENTS: ReadonlySet<string> = new Set([
  'session.update',
  'transcription_session.update',
  'response.create',
  'response.cancel',
  'conversation.item.create',
  'conversation.item.delete',
  'conversation.item.retrieve',
  'conversation.item.truncate',
  'input_audio_buffer.append',
  'input_audio_buffer.clear',
  'input_audio_buffer.commit',
  'output_audio_buffer.clear',
]);

/**
 * Preview client event → GA. A session that is written in GA's shape already stays as it is. What
 * GA has no field for is left out and named in `leftOut`. Throws `Untranslatable` for values that
 * the preview does not allow and for events that it does not have.
 */
export function clientEventToGa(event: Json, leftOut: string[] = []): Json {
  const { type } = event;
  if (typeof type !== 'string' || !CLIENT_EVENTS.has(type)) {
    throw new Untranslatable('type', `The event ${String(type)} is not supported.`);
  }
  if (type === 'session.update' && isObject(event.session)) {
    if (shapeOf(event.session) === 'ga') return event;
    return { ...event, session: sessionToGa(event.session, 'session', leftOut) };
  }
  if (type === 'transcription_session.update' && isObject(event.session)) {
    const session = transcriptionToGa(event.session, leftOut);
    return { ...event, type: 'session.update', session };
  }
  if (type === 'response.create' && isObject(event.response)) {
    const response = sessionToGa(event.response, 'response', leftOut);
    if (Array.isArray(response.input)) response.input = response.input.map(itemToGa);
    return { ...event, response };
  }
  if (type === 'conversation.item.create') return { ...event, item: itemToGa(event.item) };
  return event;
}

/** Names of GA server events that the preview protocol knows by another name. */
const RENAMED: Readonly<Record<string, string>> = {
  'response.output_audio.delta': 'response.audio.delta',
  'response.output_audio.done': 'response.audio.done',
  'response.output_audio_transcript.delta': 'response.audio_transcript.delta',
  'response.output_audio_transcript.done': 'response.audio_transcript.done',
  'response.output_text.delta': 'response.text.delta',
  'response.output_text.done': 'response.text.done',
  'conversation.item.added': 'conversation.item.created',
};

/** GA server events that the preview protocol has too; ours pass as they are. */
const KNOWN: ReadonlySet<string> = new Set([
  'error',
  'session.created',
  'session.updated',
  'conversation.created',
  'conversation.item.created',
  'conversation.item.retrieved',
  'conversation.item.truncated',
  'conversation.item.deleted',
  'conversation.item.input_audio_transcription.completed',
  'conversation.item.input_audio_transcription.delta',
  'conversation.item.input_audio_transcription.failed',
  'input_audio_buffer.committed',
  'input_audio_buffer.cleared',
  'input_audio_buffer.speech_started',
  'input_audio_buffer.speech_stopped',
  'response.created',
  'response.done',
  'response.output_item.added',
  'response.output_item.done',
  'response.content_part.added',
  'response.content_part.done',
  'response.function_call_arguments.delta',
  'response.function_call_arguments.done',
  'rate_limits.updated',
  'output_audio_buffer.started',
  'output_audio_buffer.stopped',
  'output_audio_buffer.cleared',
  'holdfast.session',
]);

/**
 * GA server event → preview; null for an event the preview protocol does not have. GA reports an
 * item twice (`added`, `done`), the preview once: `done` is swallowed.
 */
export function serverEventToPreview(event: Json): Json | null {
  const type = String(event.type);
  const name = entry(RENAMED, type);
  if (name !== undefined) {
    const renamed = { ...event, type: name };
    return 'item' in renamed ? { ...renamed, item: itemToPreview(event.item) } : renamed;
  }
  if (!KNOWN.has(type)) return null;
  if (isObject(event.session) && event.session.type === 'transcription') {
    const session = transcriptionToPreview(event.session);
    return { ...event, type: `transcription_${type}`, session };
  }
  const translated = { ...event };
  if (isObject(event.session) && type.startsWith('session.')) {
    translated.session = sessionToPreview(event.session);
  }
  if (isObject(event.response)) translated.response = responseToPreview(event.response);
  if (isObject(event.item)) translated.item = itemToPreview(event.item);
  if (isObject(event.part)) translated.part = partToPreview(event.part);
  return translated;
}

const PARTS_TO_PREVIEW: Readonly<Record<string, string>> = {
  output_text: 'text',
  output_audio: 'audio',
};
const PARTS_TO_GA: Readonly<Record<string, string>> = {
  text: 'output_text',
  audio: 'output_audio',
};

function partToPreview(part: unknown): unknown {
  if (!isObject(part)) return part;
  const type = entry(PARTS_TO_PREVIEW, part.type);
  return type === undefined ? part : { ...part, type };
}

function itemToPreview(item: unknown): unknown {
  if (!isObject(item) || !Array.isArray(item.content)) return item;
  return { ...item, content: item.content.map(partToPreview) };
}

/** Only an assistant's parts have other names; a user's `input_*` parts are the same. */
function itemToGa(item: unknown): unknown {
  if (!isObject(item) || item.role !== 'assistant' || !Array.isArray(item.content)) return item;
  const content = item.content.map(part => {
    if (!isObject(part)) return part;
    const type = entry(PARTS_TO_GA, part.type);
    return type === undefined ? part : { ...part, type };
  });
  return { ...item, content };
}

function responseToPreview(response: Json): Json {
  const { audio, output_modalities, ...rest } = response;
  const voiced = isObject(audio) && isObject(audio.output) ? audio.output : {};
  return {
    ...rest,
    modalities: modalitiesToPreview(output_modalities),
    ...(voiced.voice !== undefined && { voice: voiced.voice }),
    output_audio_format: formatToPreview(voiced.format),
    ...(Array.isArray(response.output) && { output: response.output.map(itemToPreview) }),
  };
}
