import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ANSWER_WAIT_MS, AskedResponses } from './asked-responses.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Three that were asked for, and whether the client has been let go on. */
function three() {
  const asked = new AskedResponses();
  for (const id of ['a', undefined, 'c']) asked.add(id);
  const state = { goesOn: false };
  const waited = asked.answered().then(() => {
    state.goesOn = true;
  });
  return { asked, state, waited };
}

it('waits until each is begun or refused', async () => {
  const { asked, waited } = three();
  asked.refused({ event_id: 'c', code: 'invalid_value' });
  asked.refused({ event_id: null, code: 'conversation_already_has_active_response' });
  expect(asked.isAwaited).toBe(true);
  asked.begun();
  await waited;
  expect(asked.size).toBe(0);
});

it('takes no error about anything else for an answer', () => {
  const { asked } = three();
  asked.refused({ event_id: 'x', code: 'invalid_value' });
  asked.refused({ event_id: null, code: 'invalid_value' });
  asked.refused({ code: 'unknown_event' });
  expect(asked.size).toBe(3);
});

it('waits no longer than a provider may take', async () => {
  const { asked, state, waited } = three();
  await vi.advanceTimersByTimeAsync(ANSWER_WAIT_MS - 1);
  expect(state.goesOn).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await waited;
  expect(asked.size).toBe(0);
});

it('forgets what was never answered, and counts no more than it must', () => {
  const { asked } = three();
  vi.advanceTimersByTime(ANSWER_WAIT_MS + 1);
  for (let i = 0; i < 1_000; i++) asked.add(undefined);
  expect(asked.size).toBe(64);
});
