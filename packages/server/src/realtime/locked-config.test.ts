import { describe, expect, it } from 'vitest';
import { SEED_DEFAULTS, sessionDefaultsFile, withDefaults } from './defaults.ts';
import { KnownEvents } from './known-event.ts';
import { configurationEvent, lockBroken, lockedParam, lockFilter } from './locked-config.ts';
import type { Json } from './preview/session.ts';

const CONFIG: Json = {
  type: 'realtime',
  instructions: 'Be brief.',
  tools: [{ type: 'function', name: 'f' }],
  audio: {
    input: { turn_detection: { type: 'server_vad' } },
    output: { voice: 'alloy' },
  },
};
const update = (session: unknown) => ({ type: 'session.update', session });
const create = (response: unknown) => ({ type: 'response.create', response });
const item = (fields: object) => ({ type: 'conversation.item.create', item: fields });
const tools = { type: 'mcp_list_tools', server_label: 's', tools: [] };
const user = { type: 'message', role: 'user', content: [] };
const system = { type: 'message', role: 'system', content: [] };

describe('locked parts', () => {
  it.each([
    ['instructions', update({ instructions: 'Be rude.' }), 'session.instructions'],
    ['instructions', update({ instructions: null }), 'session.instructions'],
    ['instructions', update(null), 'session'],
    ['instructions', update({ prompt: { id: 'pmpt_1' } }), 'session.prompt'],
    ['instructions', create({ instructions: 'Be rude.' }), 'response.instructions'],
    ['instructions', create({ input: [system] }), 'response.input.role'],
    ['instructions', create({ input: [user, system] }), 'response.input.role'],
    ['instructions', item(system), 'item.role'],
    ['instructions', item({ ...system, role: 'developer' }), 'item.role'],
    ['instructions', { type: 'x', session: { instructions: '' } }, 'session.instructions'],
    ['tools', item(tools), 'item.tools'],
    ['tools', item({ ...user, tools: [] }), 'item.tools'],
    ['tools', create({ input: [tools] }), 'response.input.tools'],
    ['tools', update({ tools: [] }), 'session.tools'],
    ['tools', update({ tool_choice: 'none' }), 'session.tool_choice'],
    ['tools', create({ tools: [] }), 'response.tools'],
    ['voice', update({ audio: { output: { voice: 'echo' } } }), 'session.audio.output.voice'],
    ['voice', create({ audio: { output: { voice: 'echo' } } }), 'response.audio.output.voice'],
    ['model', update({ model: 'other' }), 'session.model'],
    [
      'turn_detection',
      update({ audio: { input: { turn_detection: null } } }),
      'session.audio.input.turn_detection',
    ],
    ['voice', update({ audio: null }), 'session.audio'],
    ['voice', update({ audio: { output: null } }), 'session.audio.output'],
    ['voice', update({ audio: { output: [] } }), 'session.audio.output'],
    ['voice', update({ voice: 'echo' }), 'session.voice'],
    ['voice', create({ audio: 'echo' }), 'response.audio'],
    ['turn_detection', update({ audio: { input: null } }), 'session.audio.input'],
    ['all', update({ speed: 2 }), 'session.speed'],
    ['all', create({ max_output_tokens: 9 }), 'response.max_output_tokens'],
    ['all', create({ input: [system] }), 'response.input.role'],
    ['all', create({ input: [tools] }), 'response.input.tools'],
  ])('%s: refuses %j', (part, event, param) => {
    expect(lockedParam(event as Json, { config: CONFIG, locked: [part] })).toBe(param);
  });

  it.each([
    ['instructions', update({ instructions: 'Be brief.' })],
    ['instructions', update({ audio: { output: { voice: 'echo' } } })],
    ['instructions', create(null)],
    ['instructions', item(user)],
    ['instructions', item({ type: 'function_call_output', call_id: 'c', output: '' })],
    ['instructions', item(tools)],
    ['tools', item(system)],
    ['voice', update({ audio: { input: { noise_reduction: null } } })],
    ['voice', update({ audio: { input: null } })],
    ['all', update({ type: 'realtime', instructions: 'Be brief.' })],
    ['all', create({ metadata: { a: 'b' }, conversation: 'none' })],
    ['all', { type: 'input_audio_buffer.commit' }],
  ])('%s: lets %j pass', (part, event) => {
    expect(lockedParam(event as Json, { config: CONFIG, locked: [part] })).toBeUndefined();
    expect(new KnownEvents().unknownPart(event)).toBeUndefined();
  });

  it('sees through escapes, and tells the client which of its events it was', () => {
    const filter = lockFilter({ config: CONFIG, locked: ['instructions'] }, new KnownEvents())!;
    const text =
      '{"\\u0074ype":"session.\\u0075pdate","event_id":"e1","session":{"instr\\u0075ctions":"x"}}';
    const verdict = filter(text);
    expect(JSON.parse('refuse' in verdict ? verdict.refuse : '{}')).toMatchObject({
      type: 'error',
      error: { code: 'locked_configuration', param: 'session.instructions', event_id: 'e1' },
    });
  });

  it.each([
    ['{"Type":"session.update","session":{}}', 'type'],
    ['{"type":"session.update","Session":{"instructions":"x"}}', 'Session'],
    ['{"type":"session.update","session":{"Instructions":"x"}}', 'session.Instructions'],
    ['{"type":"conversation.item.create","Item":{"role":"system"}}', 'Item'],
    ['[{"type":"session.update","session":{"instructions":"x"}}]', 'type'],
    ['{"type":"session.update","session":{"fresh":1}}', 'session.fresh'],
    ['"session.update"', 'type'],
  ])('refuse what is not known, whichever part is locked: %s', (text, param) => {
    for (const part of ['model', 'all']) {
      const verdict = lockFilter({ config: CONFIG, locked: [part] }, new KnownEvents())!(text);
      expect(JSON.parse('refuse' in verdict ? verdict.refuse : '{}')).toMatchObject({
        error: { code: 'unknown_parameter', param },
      });
    }
  });

  it('needs no filter when nothing is locked', () => {
    expect(lockFilter({ config: CONFIG, locked: [] }, new KnownEvents())).toBeUndefined();
  });
});

describe('locked parts of a call, whose data channel bypasses us', () => {
  const first = { ...CONFIG, object: 'realtime.session', tool_choice: 'auto' };

  it.each([
    ['other instructions', { instructions: 'Be rude.' }, ['instructions']],
    ['a prompt that was not there', { prompt: { id: 'p' } }, ['instructions']],
    ['tools gone', { tools: [] }, ['tools']],
    ['another choice of tools', { tool_choice: 'none' }, ['all']],
  ])('notices %s', (_, change, locked) => {
    const now = { ...first, ...change };
    expect(lockBroken({ config: CONFIG, locked }, { first, now })).toBe(true);
  });

  it('accepts what the provider adds to what was fixed', () => {
    const now = {
      ...first,
      model: 'gpt-realtime-2025-08-28',
      tools: [{ type: 'function', name: 'f', description: null }],
      audio: {
        input: { turn_detection: { type: 'server_vad', threshold: 0.5 } },
        output: { voice: 'alloy', speed: 1 },
      },
    };
    expect(lockBroken({ config: CONFIG, locked: ['all'] }, { first, now })).toBe(false);
  });

  it('accepts what the provider writes otherwise or does not repeat', () => {
    const mcp = { type: 'mcp', server_url: 'https://a', authorization: 'x', headers: { a: 'b' } };
    const vad = { type: 'server_vad', threshold: 0.3 };
    const config = { tools: [mcp], audio: { input: { turn_detection: vad } } };
    const repeated = { type: 'mcp', server_url: 'https://a', headers: null };
    const turn_detection = { ...vad, threshold: Math.fround(0.3) };
    const now = { tools: [repeated], audio: { input: { turn_detection } } };
    const locks = { config, locked: ['tools', 'turn_detection'] };
    expect(lockBroken(locks, { first: now, now })).toBe(false);
    const other = { ...now, tools: [{ ...repeated, headers: { a: 'c' } }] };
    expect(lockBroken(locks, { first: other, now: other })).toBe(true);
  });
});

describe('the first event to the upstream', () => {
  it('is a session.update without the model', () => {
    const event = JSON.parse(configurationEvent({ ...CONFIG, model: 'm' }, 'evt_1')!) as Json;
    expect(event).toEqual({ type: 'session.update', event_id: 'evt_1', session: CONFIG });
  });

  it('is left out when there is nothing to say', () => {
    expect(configurationEvent({}, 'evt_1')).toBeNull();
    expect(configurationEvent({ type: 'realtime', model: 'm' }, 'evt_1')).toBeNull();
  });
});

describe('defaults', () => {
  it("are the seed's three tools, for who asks nothing", () => {
    const config = withDefaults({ model: 'm' }, SEED_DEFAULTS);
    expect((config.tools as { name: string }[]).map(tool => tool.name)).toEqual([
      'changeBackgroundColor',
      'getPageHTML',
      'changeTextColor',
    ]);
    expect(config).toMatchObject({ model: 'm', audio: { output: { voice: 'alloy' } } });
  });

  it.each([{ instructions: 'x' }, { tools: [] }, { prompt: { id: 'p' } }])(
    'stay away from who asks for %j',
    asked => {
      const config = withDefaults(asked, SEED_DEFAULTS);
      expect(config).toMatchObject(asked);
      expect(Object.keys(config).sort()).toEqual(['audio', 'type', ...Object.keys(asked)].sort());
    },
  );

  it('never overwrite a voice or a transcription', () => {
    const audio = { input: { transcription: null }, output: { voice: 'echo' } };
    expect(withDefaults({ audio }, SEED_DEFAULTS).audio).toEqual(audio);
  });

  it('are checked', () => {
    expect(sessionDefaultsFile.safeParse(SEED_DEFAULTS).success).toBe(true);
    expect(sessionDefaultsFile.safeParse({ tools: [{ name: 'not a name' }] }).success).toBe(false);
    expect(sessionDefaultsFile.safeParse({ voices: 'alloy' }).success).toBe(false);
  });
});
