/**
 * What all kinds of output items share: their place in a response, opening and closing them, and
 * the account of what they cost.
 */
import type { FormatName } from '../audio/format.ts';
import type { SessionHost } from './host.ts';
import type { Item } from './items.ts';

/** What an item needs to know of its response. */
export interface OutputContext {
  host: SessionHost;
  responseId: string;
  outputIndex: number;
  inConversation: boolean;
  format: FormatName;
  /** Output tokens still allowed; counted down while streaming. */
  budget: { left: number };
  /** Text and audio tokens sent so far; counted up. */
  spent: { text: number; audio: number };
}

export function pause(context: OutputContext, ms: number): number {
  const { speed } = context.host.behaviour;
  return speed === 0 ? 0 : ms / speed;
}

export function spend(context: OutputContext, kind: 'text' | 'audio', tokens: number): void {
  context.budget.left -= tokens;
  context.spent[kind] += tokens;
}

export function openItem(context: OutputContext, item: Item): void {
  const { host, responseId: response_id, outputIndex: output_index } = context;
  host.emit({ type: 'response.output_item.added', response_id, output_index, item });
  if (!context.inConversation) return;
  host.conversation.insert(item);
  const previous_item_id = host.conversation.previousOf(item.id);
  host.emit({ type: 'conversation.item.added', previous_item_id, item });
}

export function closeItem(context: OutputContext, item: Item, complete: boolean): void {
  const { host, responseId: response_id, outputIndex: output_index } = context;
  item.status = complete ? 'completed' : 'incomplete';
  if (context.inConversation) {
    const previous_item_id = host.conversation.previousOf(item.id);
    host.emit({ type: 'conversation.item.done', previous_item_id, item });
  }
  host.emit({ type: 'response.output_item.done', response_id, output_index, item });
}

export function placeOf(context: OutputContext, item: Item) {
  return {
    response_id: context.responseId,
    item_id: item.id,
    output_index: context.outputIndex,
    content_index: 0,
  };
}
