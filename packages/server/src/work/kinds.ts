import type { Scope, SubjectKind } from '@holdfast/protocol';
import { type IdPrefix, isId } from '../kernel/index.ts';
import type { QueueDefinition } from '../platform/queue/index.ts';

/**
 * What the shared parts must know of a kind of work. A feature registers its kind when it is wired;
 * the streams, the queues and their administration take everything that differs between kinds from
 * here.
 */
export interface Kind {
  /** The `kind` of its rows in `subjects`. */
  readonly name: SubjectKind;
  /** Of its subjects' ids. */
  readonly prefix: IdPrefix;
  /** With which keys that have scopes reach it, besides `read`. */
  readonly scope: Scope;
  /**
   * Types of the events that end its log: a stream is over after one of them. Empty where a log may
   * take late facts, so that its stream never ends by itself.
   */
  readonly endings: readonly string[];
  /** Where the API shows the present state of one; named to a reader who missed events. */
  snapshotUrl(id: string): string;
  /** Its queues, the one that drives its work first. */
  readonly queues: readonly KindQueue[];
}

export interface KindQueue extends QueueDefinition {
  /** Under which key the data of a job names its subject. */
  readonly subjectKey: string;
}

/** The kinds of work of this process. Complete once all features are wired. */
export class Kinds {
  readonly #kinds = new Map<string, Kind>();

  add(kind: Kind): void {
    if (this.#kinds.has(kind.prefix)) throw new Error(`Two kinds have the prefix ${kind.prefix}.`);
    this.#kinds.set(kind.prefix, kind);
  }

  all(): readonly Kind[] {
    return [...this.#kinds.values()];
  }

  queues(): readonly KindQueue[] {
    return this.all().flatMap(kind => kind.queues);
  }

  /** The kind that such an id belongs to; undefined for what is no id of a registered kind. */
  ofId(id: string): Kind | undefined {
    const kind = this.#kinds.get(id.slice(0, 3));
    return kind !== undefined && isId(kind.prefix, id) ? kind : undefined;
  }
}
