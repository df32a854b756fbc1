import type { HostedTool } from '@holdfast/protocol';
import { BASE64 } from './fields.ts';

/**
 * What a request asks of the provider, found in the parsed request: what it does itself, and what
 * the input's size in bytes does not tell.
 */
export class Findings {
  /** Each with the field that asks for it first. */
  readonly hosted = new Map<HostedTool, string>();
  /** Images that are in the request itself. */
  images = 0;
  /** Tools that the provider describes to the model in words of its own. */
  knownTools = 0;
  /** Some input stands elsewhere, or is packed so that its size says nothing. */
  isUnsized = false;
  /** The model writes something to which the request's own limit of output may not apply. */
  isUnlimited = false;

  ask(tool: HostedTool, field: string): void {
    if (!this.hosted.has(tool)) this.hosted.set(tool, field);
  }

  /** By the provider's name for it; names that are not in the table are the caller's own tools. */
  askOf(names: Readonly<Record<string, HostedTool>>, name: string, field: string): void {
    if (Object.hasOwn(names, name)) this.ask(names[name]!, field);
  }

  /** Input that the provider has stored, under an id that only its maker knows. */
  reference(id: unknown): void {
    if (id) this.isUnsized = true;
  }

  storedFile(id: unknown, field: string): void {
    if (!id) return;
    this.ask('stored_files', field);
    this.isUnsized = true;
  }

  /** `address`: a data URL, or where the provider would fetch it. */
  image(address: string | null | undefined, field: string): void {
    if (!address) return;
    this.images += 1;
    if (!DATA_URL.test(address)) this.ask('remote_files', field);
  }

  /** A document: its pages may be packed a thousandfold. */
  document(data: string | null | undefined, field: string): void {
    if (!data) return;
    this.isUnsized = true;
    if (!DATA_URL.test(data) && !BASE64.test(data)) this.ask('remote_files', field);
  }

  /** A document or image at an address. */
  remote(address: unknown, field: string): void {
    if (!address) return;
    this.ask('remote_files', field);
    this.isUnsized = true;
  }
}

const DATA_URL = /^data:[^,]{0,200};base64,/i;
