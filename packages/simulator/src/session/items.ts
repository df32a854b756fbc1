/**
 * Conversation items as they stand on the wire, GA shapes. `transcript` may be null (a user's
 * audio before its transcription), which the published types leave out but the API sends and
 * clients expect.
 */
type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface ContentPart {
  type: 'input_text' | 'input_audio' | 'input_image' | 'output_text' | 'output_audio';
  text?: string;
  audio?: string;
  transcript?: string | null;
  image_url?: string;
  detail?: string;
}

export interface MessageItem {
  id: string;
  object: 'realtime.item';
  type: 'message';
  status: ItemStatus;
  role: 'user' | 'assistant' | 'system';
  content: ContentPart[];
}

export interface FunctionCallItem {
  id: string;
  object: 'realtime.item';
  type: 'function_call';
  status: ItemStatus;
  call_id: string;
  name: string;
  arguments: string;
}

interface FunctionCallOutputItem {
  id: string;
  object: 'realtime.item';
  type: 'function_call_output';
  status: ItemStatus;
  call_id: string;
  output: string;
}

export type Item = MessageItem | FunctionCallItem | FunctionCallOutputItem;

/** All words of an item: what it costs in text tokens and what rules look at. */
export function textOf(item: Item): string {
  if (item.type === 'function_call') return `${item.name} ${item.arguments}`;
  if (item.type === 'function_call_output') return item.output;
  return item.content
    .map(part => part.text ?? '')
    .filter(Boolean)
    .join(' ');
}
