/**
 * Collects server events and waits for one; every wait is bounded and reports what came instead.
 */
const WAIT_MS = 10_000;

// biome-ignore lint/suspicious/noExplicitAny: events of any shape are what tests look into
export type AnyEvent = Record<string, any> & { type: string };

interface Waiter {
  matches(event: AnyEvent): boolean;
  resolve(event: AnyEvent): void;
}

export class EventLog {
  readonly all: AnyEvent[] = [];
  /** Events before this were given out by `next`. */
  #read = 0;
  readonly #waiters = new Set<Waiter>();

  push(event: AnyEvent): void {
    this.all.push(event);
    for (const waiter of this.#waiters) {
      if (!waiter.matches(event)) continue;
      this.#waiters.delete(waiter);
      this.#read = this.all.length;
      waiter.resolve(event);
    }
  }

  get types(): string[] {
    return this.all.map(event => event.type);
  }

  of(type: string): AnyEvent[] {
    return this.all.filter(event => event.type === type);
  }

  /** The next event of that type after the one given out last. */
  next(type: string, matches: (event: AnyEvent) => boolean = () => true): Promise<AnyEvent> {
    const wanted = (event: AnyEvent) => event.type === type && matches(event);
    const index = this.all.findIndex((event, at) => at >= this.#read && wanted(event));
    if (index >= 0) {
      this.#read = index + 1;
      return Promise.resolve(this.all[index] as AnyEvent);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`No ${type}; got ${this.types.slice(-20).join(', ')}`));
      }, WAIT_MS);
      const waiter: Waiter = {
        matches: wanted,
        resolve: event => {
          clearTimeout(timer);
          resolve(event);
        },
      };
      this.#waiters.add(waiter);
    });
  }
}

/** Waits until `check` gives a value, looking again every 20 ms. */
export async function until<T>(what: string, check: () => Promise<T | undefined> | T | undefined) {
  const deadline = Date.now() + WAIT_MS;
  while (Date.now() < deadline) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  throw new Error(`Never came: ${what}`);
}
