export type Protocol = 'openai' | 'anthropic' | 'gemini';

export interface Turn {
  readonly protocol: Protocol;
  /** 1, 2, 3… over all requests. */
  readonly number: number;
  readonly body: Record<string, unknown>;
  /** The whole request as JSON, to look for words in. */
  readonly json: string;
  readonly token: string | null;
}

export interface Call {
  readonly name: string;
  readonly input: Record<string, unknown>;
}
