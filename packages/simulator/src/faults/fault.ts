/**
 * What a fault is. Each has a file of its own with its description and its parameters, and acts
 * at one of three moments: before a request is answered, when a session's behaviour is
 * decided, or in an open session. A fault never needs to be switched off: it ends with its
 * session.
 */
import type { Socket } from 'node:net';
import { z } from 'zod';
import type { Behaviour } from '../behaviour.ts';
import type { UpdateAnswer } from '../session/handlers.ts';

const ROUTES = [
  'websocket',
  'sideband',
  'client_secrets',
  'calls',
  'accept',
  'reject',
  'refer',
  'hangup',
  'text',
] as const;
export type Route = (typeof ROUTES)[number];

/** Fields of every rule. */
export const ruleFields = {
  times: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('For how many requests; default: all.'),
  model: z.string().max(200).optional().describe('Only for this model; default: any.'),
  routes: z.array(z.enum(ROUTES)).min(1).default(['websocket']).describe('Which requests.'),
};

/** When something happens in an open session: at the first that comes true, or at once. */
export const triggerFields = {
  after_ms: z.number().int().min(0).max(3_600_000).optional(),
  after_received_frames: z.number().int().min(1).optional(),
  after_sent_frames: z.number().int().min(1).optional(),
};
export interface Trigger {
  after_ms?: number | undefined;
  after_received_frames?: number | undefined;
  after_sent_frames?: number | undefined;
}

/** A request that has not been answered yet. */
export interface PendingRequest {
  socket: Socket;
  /** Answers in the provider's error shape and ends the connection or response. */
  refuse(refusal: Refusal): void;
  /** Over HTTP: what is answered later is not sent; the connection ends after that. */
  loseAnswer?(afterMs: number): void;
}

export interface Refusal {
  status: number;
  type: string;
  code: string | null;
  message: string;
  param?: string | null;
  /** Sent in place of the error object. */
  body?: string;
  headers?: Record<string, string>;
}

/** An open session, with what faults may do to its connection. */
export interface FaultTarget {
  readonly session: {
    /** Sends an `error` event that no client event caused. */
    fail(error: { type: string; code: string; message: string }): void;
    expire(): void;
    /** Of a conversation. */
    updateAnswer?: UpdateAnswer | undefined;
  };
  /** Runs `action` once when the trigger comes true, if the session is still open then. */
  when(trigger: Trigger, action: () => void): void;
  after(delayMs: number, action: () => void): void;
  /** Ends the session properly; the code must be one that may be sent. */
  close(code: number, reason: string): void;
  /** Ends the session with a TCP reset (WebRTC: without a message). */
  reset(): void;
  /** Below: WebSocket only; nothing happens over WebRTC. */
  sendText(text: string): void;
  sendRaw(bytes: Buffer): void;
  pauseReading(): void;
  resumeReading(): void;
  mutePongs(): void;
}

export interface Fault<T extends z.ZodType = z.ZodType> {
  description: string;
  schema: T;
  /** True when the request is dealt with and must not be handled further. */
  onRequest?(params: z.infer<T>, request: PendingRequest): boolean | Promise<boolean>;
  shape?(params: z.infer<T>, behaviour: Behaviour): Behaviour;
  onOpen?(params: z.infer<T>, target: FaultTarget): void;
}

/** Keeps the schema's type for the hooks. */
export function defineFault<T extends z.ZodType>(fault: Fault<T>): Fault<T> {
  return fault;
}
