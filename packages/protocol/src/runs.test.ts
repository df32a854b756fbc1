import { describe, expect, it } from 'vitest';
import {
  INSTRUCTION_MAX_BYTES,
  INSTRUCTION_MAX_CHARS,
  newRepo,
  newRuns,
  newTask,
  taskTitle,
} from './runs.ts';

const task = (title: string, instruction: string) =>
  newTask.safeParse({ repo_id: 'rpo_1', title, instruction }).success;

describe('an instruction', () => {
  it.each(['x', '漢', '😀', '"', '\u0001'])('of %j fits into one event of the log', char => {
    const sizeBytes = Buffer.byteLength(JSON.stringify(char)) - 2;
    const fitting = Math.min(
      Math.floor(INSTRUCTION_MAX_CHARS / char.length),
      Math.floor((INSTRUCTION_MAX_BYTES - 2) / sizeBytes),
    );
    expect(task('A task', char.repeat(fitting))).toBe(true);
    expect(task('A task', char.repeat(fitting + 1))).toBe(false);
  });

  it('is not empty', () => {
    expect(task('A task', ' \n')).toBe(false);
  });
});

describe('names', () => {
  it.each(['a\u001b[31mred', 'a\r\nb', 'a\u0000', 'a\u0085b', '', 'x'.repeat(201)])(
    'are one line without control characters: %j is none',
    text => {
      expect(task(text, 'Do it.')).toBe(false);
      expect(taskTitle.safeParse(text).success).toBe(false);
      expect(newRepo.safeParse({ path: '/srv/a', name: text }).success).toBe(false);
    },
  );

  it('may hold anything else', () => {
    expect(task('修正 – "über" <b> 😀', 'Do it.')).toBe(true);
  });
});

describe('the model of a run', () => {
  const named = (model: string) => newRuns.safeParse({ agents: ['builtin'], model }).success;

  it.each(['gpt-5.1-codex', 'claude-sonnet-4-5@20250929', 'sonnet[1m]', 'models/gemini-2.5-pro'])(
    'may be %s',
    model => expect(named(model)).toBe(true),
  );

  it.each(['--yolo', '-m', '', 'a b', 'a\n', 'x'.repeat(101)])(
    'is nothing that a program takes for an option: %j',
    model => expect(named(model)).toBe(false),
  );
});
