import { JsonScanner } from '../../kernel/index.ts';
import { errorEvent } from '../relay/index.ts';
import { clientEventToGa, serverEventToPreview } from './events.ts';
import { isObject, Untranslatable } from './session.ts';

/** The text-level hooks that the relay calls for a preview client. */
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
 * `refuse` gets the text of an `error` event for the client. What is not a JSON object goes to the
 * upstream as it is, which has its own answer to it.
 */
export function previewHooks(refuse: (event: string) => void): PreviewHooks {
  return {
    rewriteClientMessage(text) {
      const event = parse(text);
      if (event === undefined) return [text];
      try {
        return [JSON.stringify(clientEventToGa(event))];
      } catch (error) {
        if (!(error instanceof Untranslatable)) throw error;
        refuse(
          errorEvent({
            type: 'invalid_request_error',
            code: 'unsupported_in_preview',
            message: error.message,
            param: error.param,
            eventId: event.event_id,
          }),
        );
        return [];
      }
    },
    rewriteServerMessage(text) {
      if (text.startsWith(GA_AUDIO)) return [PREVIEW_AUDIO + text.slice(GA_AUDIO.length)];
      const event = parse(text);
      if (event === undefined) return [text];
      const translated = serverEventToPreview(event);
      return translated === null ? [] : [JSON.stringify(translated)];
    },
  };
}

/** Throws for JSON beyond `JSON_LIMITS`, which ends the session. */
function parse(text: string): Record<string, unknown> | undefined {
  new JsonScanner('The message').push(text);
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
