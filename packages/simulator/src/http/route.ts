import type { IncomingMessage, ServerResponse } from 'node:http';
import type { App } from '../app.ts';
import type { FaultRule } from '../faults/rules.ts';

/** What a route's handler is given. */
export interface RouteContext {
  app: App;
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** Faults that apply to this request. */
  rules: FaultRule[];
  params: string[];
}
