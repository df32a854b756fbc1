import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Http } from '../http.ts';
import { type Line, startModelServer } from '../testing/model-server.ts';
import { Outbox } from './outbox.ts';
import { VoiceSession } from './session.ts';
import { webSocketTransport } from './websocket.ts';

/** A line that is lost, against a server that is driven by hand; the real one is in tests/e2e. */
let model: Awaited<ReturnType<typeof startModelServer>>;
let session: VoiceSession;
let minted = 0;
beforeEach(async () => {
  model = await startModelServer({ greet: false });
  minted = 0;
});
afterEach(async () => {
  await session.close();
  await model.close();
});

const introduce = (line: Line, handle: string | null, more: object = {}) => {
  line.send({ type: 'session.created', session: { id: 'sess_1' } });
  const own = { id: 'ses_1', revision: 'r', replica: 'a', resume_token: handle };
  line.send({ type: 'holdfast.session', session: { ...own, ...more } });
};

const nth = (count: number) => expect.poll(() => model.lines.length).toBe(count);

async function open(handle: string | null = 'ses_1.one', awayMaxMs?: number): Promise<Line> {
  const transport = webSocketTransport({
    http: new Http({ baseUrl: model.url }),
    model: 'gpt-realtime',
    clientSecret: async () => {
      minted += 1;
      return `ek_${minted}`;
    },
    awayMaxMs,
  });
  session = new VoiceSession({ transport });
  const started = session.start();
  const line = await model.line();
  introduce(line, handle);
  await started;
  await expect.poll(() => session.snapshot.session?.id).toBe('ses_1');
  return line;
}

const say = (text: string) => expect(session.sendText(text)).toBe(true);
const texts = (line: Line) =>
  line.received
    .filter(({ type }) => type === 'conversation.item.create')
    .map(({ item }) => (item as { content: { text: string }[] }).content[0]!.text);

describe('a voice session whose line is lost', () => {
  it('goes on at another connection, with what the server has not taken', async () => {
    const line = await open();
    say('one');
    await expect.poll(() => texts(line)).toEqual(['one']);
    line.send({ type: 'holdfast.session.acknowledged', input: 1 });
    line.send({ type: 'test.event' });
    say('two');
    await expect.poll(() => texts(line)).toEqual(['one', 'two']);
    line.socket.terminate();
    await expect.poll(() => session.snapshot.isAway).toBe(true);
    expect(session.snapshot.state).not.toBe('failed');
    say('three');
    await nth(2);
    const again = model.lines[1]!;
    // session.created, holdfast.session, the acknowledgement and the event of the test.
    expect(again.url).toContain('&resume=ses_1.one&received=4');
    expect(again.protocols).toBe(line.protocols);
    const resumed = { input: texts(line).length * 2 - 1, output: 4, lost: 0, withheld: 0 };
    introduce(again, 'ses_1.two', { replica: 'b', resumed });
    await expect.poll(() => texts(again)).toEqual(['three']);
    expect(session.snapshot).toMatchObject({
      isAway: false,
      comeback: { moved: true, lost: 0 },
      session: { replica: 'b', resumeToken: 'ses_1.two' },
    });
    again.socket.terminate();
    await nth(3);
    expect(model.lines[2]!.url).toContain('&resume=ses_1.two&received=4');
    expect(minted).toBe(1);
  });

  it('is over where the server refuses it, in the words of how it was lost', async () => {
    const line = await open();
    line.socket.close(1012, 'drain');
    await nth(2);
    const again = model.lines[1]!;
    again.send({ type: 'error', error: { code: 'gone', message: 'This session has ended.' } });
    again.socket.close(1008, 'gone');
    await expect.poll(() => session.snapshot.state).toBe('failed');
    expect(session.snapshot).toMatchObject({ isAway: false, closed: { code: 1012 } });
  });

  it('waits for no answer whose end may have been lost', async () => {
    const line = await open();
    line.send({ type: 'response.created', response: { id: 'resp_1' } });
    await expect.poll(() => session.snapshot.state).toBe('thinking');
    say('next');
    line.socket.terminate();
    await nth(2);
    const again = model.lines[1]!;
    introduce(again, 'ses_1.two', { resumed: { input: 1, output: 3, lost: 9, withheld: 0 } });
    await again.next('response.create');
    expect(session.snapshot).toMatchObject({ comeback: { lost: 9 }, state: 'thinking' });
  });

  it('takes no other session for its own', async () => {
    const line = await open();
    say('one');
    line.socket.terminate();
    await nth(2);
    const other = model.lines[1]!;
    introduce(other, 'ses_2.one', { id: 'ses_2' });
    await expect.poll(() => session.snapshot.state).toBe('failed');
    expect(texts(other)).toEqual([]);
    expect(session.snapshot.session?.id).toBe('ses_1');
  });

  it('is over when nobody has taken it for too long', async () => {
    const line = await open('ses_1.one', 500);
    const { port } = model.server.address() as { port: number };
    await model.close();
    line.socket.terminate();
    await expect.poll(() => session.snapshot.isAway).toBe(true);
    await expect.poll(() => session.snapshot.state, { timeout: 10_000 }).toBe('failed');
    expect(port).toBeGreaterThan(0);
    expect(session.sendText('late')).toBe(false);
    model = await startModelServer();
  });

  it.each([
    ['closed on purpose', 'ses_1.one', 1000, 'ended'],
    ['by a server that awaits nobody', null, 1012, 'failed'],
    ['that goes on elsewhere', 'ses_1.one', 4001, 'failed'],
  ])('is not replaced where it was %s', async (_, handle, code, state) => {
    const line = await open(handle);
    line.socket.close(code);
    await expect.poll(() => session.snapshot.state).toBe(state);
    expect(model.lines).toHaveLength(1);
  });

  it('stays closed when it was closed while away', async () => {
    const line = await open();
    line.socket.terminate();
    await expect.poll(() => session.snapshot.isAway).toBe(true);
    await session.close();
    await new Promise(resolve => setTimeout(resolve, 600));
    expect(model.lines.length).toBeLessThanOrEqual(2);
    expect(session.snapshot.state).toBe('ended');
  });
});

describe('Outbox', () => {
  it('refuses what does not fit, and has room again when the server has taken something', () => {
    const outbox = new Outbox(10);
    expect([outbox.push('1234'), outbox.push('5678'), outbox.push('9ab')]).toEqual([
      true,
      true,
      false,
    ]);
    outbox.forget(1);
    expect(outbox.push('9ab')).toBe(true);
    expect(outbox.all()).toEqual(['5678', '9ab']);
    outbox.forget(1);
    expect(outbox.all()).toEqual(['5678', '9ab']);
    outbox.forget(Infinity);
    expect(outbox.isOwed).toBe(false);
    expect(outbox.isFilled(0)).toBe(false);
  });
});
