/**
 * The client events of the GA protocol, checked before anything happens. Source: openai/openai-
 * openapi, `RealtimeClientEvent`. Unknown fields are refused, as the API does.
 */
import { z } from 'zod';
import { ProtocolError } from './errors.ts';

const MAX_TEXT_LENGTH = 1_000_000;
const eventId = z.string().max(512).optional();
const itemId = z.string().min(1).max(512);
const text = z.string().max(MAX_TEXT_LENGTH);

const inputContent = z.strictObject({
  type: z.enum(['input_text', 'input_audio', 'input_image', 'output_text', 'output_audio']),
  text: text.nullish(),
  audio: z.string().nullish(),
  transcript: text.nullish(),
  image_url: z.string().nullish(),
  detail: z.enum(['auto', 'low', 'high']).nullish(),
});

const itemBase = {
  id: z.string().min(1).max(32).nullish(),
  object: z.literal('realtime.item').nullish(),
  status: z.enum(['completed', 'incomplete', 'in_progress']).nullish(),
};

const newItem = z.discriminatedUnion('type', [
  z.strictObject({
    ...itemBase,
    type: z.literal('message'),
    role: z.enum(['user', 'assistant', 'system']),
    content: z.array(inputContent).min(1).max(100),
  }),
  z.strictObject({
    ...itemBase,
    type: z.literal('function_call'),
    name: z.string().min(1).max(200),
    call_id: z.string().min(1).max(200).nullish(),
    arguments: text,
  }),
  z.strictObject({
    ...itemBase,
    type: z.literal('function_call_output'),
    call_id: z.string().min(1).max(200),
    output: text,
  }),
]);
export type NewItem = z.infer<typeof newItem>;

const reference = z.strictObject({ type: z.literal('item_reference'), id: itemId });

const responseParams = z
  .strictObject({
    audio: z
      .strictObject({
        output: z
          .strictObject({
            format: z.looseObject({ type: z.string() }).nullish(),
            voice: z.unknown(),
          })
          .partial()
          .nullish(),
      })
      .nullish(),
    conversation: z.enum(['auto', 'none']).nullish(),
    input: z
      .array(z.union([newItem, reference]))
      .max(1_000)
      .nullish(),
    instructions: text.nullish(),
    max_output_tokens: z.union([z.number().int().min(1), z.literal('inf')]).nullish(),
    metadata: z.record(z.string(), z.string()).nullish(),
    output_modalities: z
      .array(z.enum(['text', 'audio']))
      .length(1)
      .nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    prompt: z.unknown(),
    reasoning: z.unknown(),
    tool_choice: z.unknown(),
    tools: z
      .array(z.looseObject({ type: z.string() }))
      .max(128)
      .nullish(),
  })
  .partial();
export type ResponseParams = z.infer<typeof responseParams>;

const clientEvent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('session.update'),
    event_id: eventId,
    session: z.looseObject({}),
  }),
  z.strictObject({
    type: z.literal('input_audio_buffer.append'),
    event_id: eventId,
    audio: z.string(),
  }),
  z.strictObject({ type: z.literal('input_audio_buffer.commit'), event_id: eventId }),
  z.strictObject({ type: z.literal('input_audio_buffer.clear'), event_id: eventId }),
  z.strictObject({
    type: z.literal('conversation.item.create'),
    event_id: eventId,
    previous_item_id: z.string().nullish(),
    item: newItem,
  }),
  z.strictObject({
    type: z.literal('conversation.item.retrieve'),
    event_id: eventId,
    item_id: itemId,
  }),
  z.strictObject({
    type: z.literal('conversation.item.truncate'),
    event_id: eventId,
    item_id: itemId,
    content_index: z.number().int().min(0),
    audio_end_ms: z.number().int().min(0),
  }),
  z.strictObject({
    type: z.literal('conversation.item.delete'),
    event_id: eventId,
    item_id: itemId,
  }),
  z.strictObject({
    type: z.literal('response.create'),
    event_id: eventId,
    response: responseParams.nullish(),
  }),
  z.strictObject({
    type: z.literal('response.cancel'),
    event_id: eventId,
    response_id: z.string().nullish(),
  }),
  z.strictObject({ type: z.literal('output_audio_buffer.clear'), event_id: eventId }),
]);
export type ClientEvent = z.infer<typeof clientEvent>;
export type ClientEventType = ClientEvent['type'];

export const CLIENT_EVENT_TYPES: readonly string[] = clientEvent.options.map(
  option => option.shape.type.value,
);

/** Turns the first fault that zod found into the API's wording. */
export function toProtocolError(issue: z.core.$ZodIssue, prefix = ''): ProtocolError {
  const path = [prefix, ...issue.path.map(String)].filter(Boolean).join('.');
  if (issue.code === 'unrecognized_keys') {
    const param = [path, issue.keys[0]].filter(Boolean).join('.');
    return new ProtocolError('unknown_parameter', `Unknown parameter: '${param}'.`, param);
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) {
    return new ProtocolError(
      'missing_required_parameter',
      `Missing required parameter: '${path}'.`,
      path,
    );
  }
  const code = issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value';
  return new ProtocolError(code, `Invalid value for '${path}': ${issue.message}.`, path);
}

/** Checks an already parsed client event; throws `ProtocolError`. */
export function parseClientEvent(value: unknown): ClientEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('invalid_event', 'The event must be a JSON object.');
  }
  const type = (value as { type?: unknown }).type;
  if (type === undefined) {
    throw new ProtocolError('invalid_event', "The 'type' field is missing.", 'type');
  }
  if (typeof type !== 'string' || !CLIENT_EVENT_TYPES.includes(type)) {
    const known = CLIENT_EVENT_TYPES.map(name => `'${name}'`).join(', ');
    const shown = String(type).slice(0, 100);
    const message = `Invalid value: '${shown}'. Supported values are: ${known}.`;
    throw new ProtocolError('invalid_value', message, 'type');
  }
  const result = clientEvent.safeParse(value);
  if (result.success) return result.data;
  throw toProtocolError(result.error.issues[0] as z.core.$ZodIssue);
}
