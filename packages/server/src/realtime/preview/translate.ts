import type { HoldfastWarningEvent } from '@holdfast/protocol';
import { JsonScanner, newId } from '../../kernel/index.ts';
import { errorEvent } from '../relay/index.ts';
import { clientEventToGa, serverEventToPreview } from './events.ts';
import { isObject, type Json, shapeOf, Untranslatable } from './session.ts';

/** The text-level hooks that the relay calls for a client that speaks, or may speak, preview. */
export interface PreviewHooks {
  /** A client's message for the upstream: none when it was refused. */
  readonly rewriteClientMessage: (text: string) => readonly string[];
  /** An upstream's message for the client: none when the preview protocol has no such event. */
  readonly rewriteServerMessage: (text: string) => readonly string[];
}

/** Audio from the upstream as it is nearly always written: only its name is replaced. */
const GA_AUDIO = '{"type":"response.output_audio.delta"';
const PREVIEW_AUDIO = '{"type":"response.audio.delta"';

/**
 * For a client that speaks preview. `tell` gets the text of an event for it: an `error` for what
 * was refused, a `holdfast.warning` for fields that were left out. What is not a JSON object goes
 * to the upstream as it is, which has its own answer to it.
 */
export function previewHooks(tell: (event: string) => void): PreviewHooks {
  return {
    rewriteClientMessage: text => {
      const event = parse(text);
      return event === undefined ? [text] : translated(event, tell);
    },
    rewriteServerMessage(text) {
      if (text.startsWith(GA_AUDIO)) return [PREVIEW_AUDIO + text.slice(GA_AUDIO.length)];
      const event = parse(text);
      if (event === undefined) return [text];
      const shown = serverEventToPreview(event);
      return shown === null ? [] : [JSON.stringify(shown)];
    },
  };
}

/**
 * For a route whose clients do not say what they speak (the seeds'). It is GA until the client
 * sends a `session.update` that only the preview has; from then on both directions are translated.
 * An update that fits both gets the `type` that GA demands.
 */
export function eitherHooks(tell: (event: string) => void): PreviewHooks {
  const preview = previewHooks(tell);
  let speaksPreview = false;
  return {
    rewriteClientMessage(text) {
      if (speaksPreview) return preview.rewriteClientMessage(text);
      if (!text.includes('session.update')) return [text];
      const event = parse(text);
      if (event?.type !== 'session.update' || !isObject(event.session)) return [text];
      const shape = shapeOf(event.session);
      if (shape === 'ga') return [text];
      speaksPreview = shape === 'preview';
      return translated(event, tell);
    },
    rewriteServerMessage: text => (speaksPreview ? preview.rewriteServerMessage(text) : [text]),
  };
}

function translated(event: Json, tell: (event: string) => void): readonly string[] {
  const leftOut: string[] = [];
  try {
    const text = JSON.stringify(clientEventToGa(event, leftOut));
    if (leftOut.length > 0) tell(warningEvent(leftOut, event.event_id));
    return [text];
  } catch (error) {
    if (!(error instanceof Untranslatable)) throw error;
    const { message, param } = error;
    const code = 'unsupported_in_preview';
    const eventId = event.event_id;
    tell(errorEvent({ type: 'invalid_request_error', code, message, param, eventId }));
    return [];
  }
}

/** Fields named in one warning. */
const NAMED_MAX = 20;
const NAME_MAX_CHARS = 100;

/** What a client is told when the rest of its event was applied. */
export function leftOutMessage(leftOut: readonly string[]): string {
  const named = leftOut.slice(0, NAMED_MAX).map(name => name.slice(0, NAME_MAX_CHARS));
  const more = leftOut.length > NAMED_MAX ? ', …' : '';
  return `Not applied, because the model's protocol has no such field: ${named.join(', ')}${more}.`;
}

function warningEvent(leftOut: readonly string[], eventId: unknown): string {
  const event: HoldfastWarningEvent = {
    type: 'holdfast.warning',
    event_id: newId('evt'),
    warning: {
      code: 'field_not_applied',
      message: leftOutMessage(leftOut),
      params: leftOut.slice(0, NAMED_MAX).map(name => name.slice(0, NAME_MAX_CHARS)),
      event_id: typeof eventId === 'string' ? eventId.slice(0, EVENT_ID_MAX_CHARS) : null,
    },
  };
  return JSON.stringify(event);
}

/** A client's own id of an event is repeated up to here. */
const EVENT_ID_MAX_CHARS = 512;

/** Throws for JSON beyond `JSON_LIMITS`, which ends the session. */
function parse(text: string): Json | undefined {
  new JsonScanner('The message').push(text);
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
