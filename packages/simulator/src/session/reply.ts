/**
 * What the model answers. Pure: from the configuration, the conversation and the script's turn to a
 * list of parts. In order of precedence:
 *
 * 1. after a function output: a short confirmation;
 * 2. the script's turn, where it has one;
 * 3. a function that the user's typed words, or `tool_choice`, ask for;
 * 4. the user's own voice, or for typed words beeps and a sentence that quotes them;
 * 5. with nothing to answer: a greeting.
 *
 * Every sentence is marked as simulated, so that no reader takes it for understanding.
 */
import { msOf, samplesOf } from '../audio/pcm.ts';
import { speak } from '../audio/tone.ts';
import { MAX_REPLY_MS } from '../limits.ts';
import type { Random } from '../random.ts';
import type { ScriptTurn } from '../script.ts';
import { type SessionConfig, voiceName } from './config.ts';
import type { Conversation } from './conversation.ts';
import { type Item, textOf } from './items.ts';
import { callFor, type FunctionCall } from './tool-rule.ts';

export type Part =
  | { kind: 'speech'; transcript: string; samples: Int16Array }
  | { kind: 'text'; text: string }
  | { kind: 'call'; call: FunctionCall }
  | { kind: 'load' };

interface Failure {
  type: string;
  code: string;
  message: string;
}

export interface Reply {
  parts: Part[];
  failure?: Failure;
  /** What is reported instead of what was counted. */
  usage?: Record<string, unknown>;
}

export interface ReplyRequest {
  /** The configuration with the response's own overrides applied. */
  config: SessionConfig;
  /** What the model reads: the conversation, or the response's own `input`. */
  items: readonly Item[];
  conversation: Conversation;
  turn: ScriptTurn | undefined;
  random: Random;
}

const QUOTE_LENGTH = 200;

/** Whether the last item is the result of a function that the model called. */
export function isFollowUp(items: readonly Item[]): boolean {
  return items.at(-1)?.type === 'function_call_output';
}

export function planReply(request: ReplyRequest): Reply {
  if (isFollowUp(request.items)) return { parts: [confirmation(request)] };
  const { turn } = request;
  if (turn?.fail !== undefined) return { parts: [], failure: turn.fail };
  const scripted = turn === undefined ? [] : scriptedParts(turn, request);
  const parts = scripted.length > 0 ? scripted : [ruledPart(request)];
  return { parts, ...(turn?.usage && { usage: turn.usage }) };
}

function scriptedParts(turn: ScriptTurn, request: ReplyRequest): Part[] {
  const parts: Part[] = [];
  if (turn.echo) parts.push(answer(request));
  if (turn.say !== undefined) parts.push(sentence(turn.say, request));
  const { call } = turn;
  if (call !== undefined && request.config.tools.some(tool => tool.name === call.name)) {
    parts.push({ kind: 'call', call });
  } else if (call !== undefined) {
    parts.push(sentence(`(simulated) The session has no tool named ${call.name}.`, request));
  }
  return parts;
}

function ruledPart(request: ReplyRequest): Part {
  const message = lastUserMessage(request.items);
  const text = message === undefined ? '' : textOf(message);
  const { tool_choice } = request.config;
  const forced = tool_choice === 'required' || typeof tool_choice === 'object';
  const call = text !== '' || forced ? callFor(text, request.config, request.random) : undefined;
  return call === undefined ? answer(request) : { kind: 'call', call };
}

function lastUserMessage(items: readonly Item[]): Item | undefined {
  return items.findLast(item => item.type === 'message' && item.role === 'user');
}

function answer(request: ReplyRequest): Part {
  const message = lastUserMessage(request.items);
  if (message === undefined) return sentence('(simulated) Hello, I am listening.', request);
  const samples = request.conversation.audioOf(message.id);
  if (samples !== undefined) {
    const echo = samples.subarray(0, samplesOf(MAX_REPLY_MS));
    const lengthS = (msOf(echo.length) / 1000).toFixed(1);
    const transcript = `(simulated) Your own voice again: ${lengthS} s of speech.`;
    if (wantsText(request)) return { kind: 'text', text: transcript };
    return { kind: 'speech', transcript, samples: echo };
  }
  const text = textOf(message).slice(0, QUOTE_LENGTH);
  if (text === '') return sentence('(simulated) Are you still there?', request);
  return sentence(`(simulated) You wrote: ${text}`, request);
}

function sentence(text: string, request: ReplyRequest): Part {
  if (wantsText(request)) return { kind: 'text', text };
  const voice = voiceName(request.config.audio.output.voice);
  return { kind: 'speech', transcript: text, samples: speak(text, voice, request.random) };
}

function wantsText(request: ReplyRequest): boolean {
  return request.config.output_modalities[0] === 'text';
}

function confirmation(request: ReplyRequest): Part {
  const output = request.items.at(-1);
  const callId = output?.type === 'function_call_output' ? output.call_id : undefined;
  const call = request.items.findLast(
    item => item.type === 'function_call' && item.call_id === callId,
  );
  const name = call?.type === 'function_call' ? call.name : 'The function';
  return sentence(`(simulated) Done: ${name} has answered.`, request);
}
