/**
 * The conversation: an ordered list of items and, for spoken ones, their audio. The user's audio is
 * kept for echo and retrieval, the newest first when space runs out; of the model's audio only the
 * length is kept. Both lists are bounded.
 */
import { MAX_ITEMS, MAX_KEPT_AUDIO_SAMPLES } from '../limits.ts';
import { ProtocolError } from './errors.ts';
import type { Item } from './items.ts';

/** `previous_item_id` that means: before everything else. */
const ROOT = 'root';

export class Conversation {
  readonly id: string;
  #items: Item[] = [];
  readonly #audio = new Map<string, Int16Array>();
  readonly #spokenMs = new Map<string, number>();
  #keptSamples = 0;
  #hasSpoken = false;

  constructor(id: string) {
    this.id = id;
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  get lastId(): string | null {
    return this.#items.at(-1)?.id ?? null;
  }

  find(id: string): Item | undefined {
    return this.#items.find(item => item.id === id);
  }

  /** The item before `id`, as `previous_item_id` names it. */
  previousOf(id: string): string | null {
    const index = this.#items.findIndex(item => item.id === id);
    return this.#items[index - 1]?.id ?? null;
  }

  /** Puts `item` after `previousId` (default: at the end); throws when that does not exist. */
  insert(item: Item, previousId?: string | null): void {
    if (this.find(item.id) !== undefined) {
      const message = `Error adding item: the item with ID '${item.id}' already exists.`;
      throw new ProtocolError('item_create_duplicate_item_id', message, 'item.id');
    }
    this.#items.splice(this.#placeAfter(previousId), 0, item);
    while (this.#items.length > MAX_ITEMS) this.#forget(this.#items[0] as Item);
  }

  #placeAfter(previousId: string | null | undefined): number {
    if (previousId === undefined || previousId === null) return this.#items.length;
    if (previousId === ROOT) return 0;
    const index = this.#items.findIndex(item => item.id === previousId);
    if (index >= 0) return index + 1;
    const message = `Error adding item: the previous item with ID '${previousId}' does not exist.`;
    throw new ProtocolError('item_create_invalid_previous_item_id', message, 'previous_item_id');
  }

  /** Whether there was such an item. */
  remove(id: string): boolean {
    const item = this.find(id);
    if (item === undefined) return false;
    this.#forget(item);
    return true;
  }

  #forget(item: Item): void {
    this.#items = this.#items.filter(other => other !== item);
    this.#dropAudio(item.id);
    this.#spokenMs.delete(item.id);
  }

  keepAudio(id: string, samples: Int16Array): void {
    this.#dropAudio(id);
    this.#audio.set(id, samples);
    this.#keptSamples += samples.length;
    for (const oldest of this.#audio.keys()) {
      if (this.#keptSamples <= MAX_KEPT_AUDIO_SAMPLES || oldest === id) break;
      this.#dropAudio(oldest);
    }
  }

  #dropAudio(id: string): void {
    this.#keptSamples -= this.#audio.get(id)?.length ?? 0;
    this.#audio.delete(id);
  }

  audioOf(id: string): Int16Array | undefined {
    return this.#audio.get(id);
  }

  /** Whether the model ever said anything, in items still here or not. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  /** How much the model said in that item so far. */
  keepSpoken(id: string, durationMs: number): void {
    this.#hasSpoken = true;
    this.#spokenMs.set(id, durationMs);
  }

  spokenMsOf(id: string): number {
    return this.#spokenMs.get(id) ?? 0;
  }
}
