/**
 * What a client has sent and the server has not said to have taken: a connection that goes on for
 * another one gets it again. Messages are numbered from 1. Bounded: what does not fit is refused.
 */
export class Outbox {
  private readonly maxBytes: number;
  private kept: string[] = [];
  /** How many messages stand before those that are kept. */
  private forgotten = 0;
  private bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Something was sent that is not acknowledged. */
  get isOwed(): boolean {
    return this.kept.length > 0;
  }

  /** More than that part (0 to 1) of the room is taken. */
  isFilled(part: number): boolean {
    return this.bytes > part * this.maxBytes;
  }

  /** False where there is no room left. Counts UTF-16 units, which are bytes for all audio. */
  push(text: string): boolean {
    if (this.bytes + text.length > this.maxBytes) return false;
    this.kept.push(text);
    this.bytes += text.length;
    return true;
  }

  /** The server has taken the first `count` messages. */
  forget(count: number): void {
    const taken = this.kept.splice(0, Math.max(0, count - this.forgotten));
    this.forgotten += taken.length;
    for (const text of taken) this.bytes -= text.length;
  }

  all(): readonly string[] {
    return this.kept;
  }
}
