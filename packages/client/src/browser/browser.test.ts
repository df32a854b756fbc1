import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  bestRecordingType,
  indexedDbShelf,
  Microphone,
  Recorder,
  Speaker,
  xhrSender,
} from './index.ts';
import {
  clones,
  forgetMade,
  StandInContext,
  StandInNode,
  StandInRecorder,
  StandInStream,
} from './testing/web-audio.ts';

let stream: StandInStream;
let asked: MediaStreamConstraints | undefined;
beforeEach(() => {
  forgetMade();
  stream = new StandInStream();
  vi.stubGlobal('AudioContext', StandInContext);
  vi.stubGlobal('AudioWorkletNode', StandInNode);
  vi.stubGlobal('MediaRecorder', StandInRecorder);
  vi.stubGlobal('navigator', {
    mediaDevices: {
      getUserMedia: async (constraints: MediaStreamConstraints) => {
        asked = constraints;
        return stream;
      },
    },
  });
});
afterEach(() => vi.unstubAllGlobals());

describe('Microphone', () => {
  it('hands out frames until it is stopped, and mutes the track itself', async () => {
    const microphone = new Microphone({ workletUrl: '/w.js', processing: false, deviceId: 'd' });
    const frames: Int16Array[] = [];
    await microphone.start(frame => frames.push(frame));
    expect(asked?.audio).toMatchObject({ echoCancellation: false, deviceId: { exact: 'd' } });
    expect(StandInContext.made[0]).toMatchObject({ sampleRate: 24_000, modules: ['/w.js'] });
    const [node] = StandInNode.made;
    node?.deliver(new Int16Array(960));
    microphone.setMuted(true);
    expect(stream.tracks[0]?.enabled).toBe(false);
    await microphone.stop();
    await microphone.stop();
    node?.deliver(new Int16Array(960));
    expect(frames).toHaveLength(1);
    expect(stream.tracks[0]?.stopped).toBe(true);
    expect(StandInContext.made[0]?.state).toBe('closed');
  });

  it("takes the stream's own rate where the browser will not convert", async () => {
    StandInContext.refusesOtherRates = true;
    const microphone = new Microphone({ workletUrl: '/w.js', processing: true });
    await microphone.start(() => undefined);
    expect(StandInContext.made.map(context => [context.sampleRate, context.state])).toEqual([
      [24_000, 'closed'],
      [undefined, 'running'],
    ]);
    expect(StandInContext.made[1]?.modules).toEqual(['/w.js']);
  });

  it('releases a microphone that opens after the stop', async () => {
    const microphone = new Microphone({ workletUrl: '/w.js', processing: true });
    const starting = microphone.start(() => undefined);
    await microphone.stop();
    await starting;
    expect(stream.tracks[0]?.stopped).toBe(true);
    expect(StandInContext.made).toHaveLength(0);
  });
});

describe('Speaker', () => {
  it('plays pieces, and reports when it sounds and how much was played', async () => {
    const speaker = new Speaker({ workletUrl: '/w.js' });
    expect(await speaker.clear()).toBeNull();
    const playing: boolean[] = [];
    await speaker.start(value => playing.push(value));
    const [node] = StandInNode.made;
    speaker.enqueue({ itemId: 'a', contentIndex: 0, pcm: new Int16Array(4) });
    expect(node?.posted).toMatchObject([{ type: 'enqueue', piece: { itemId: 'a' } }]);
    node?.deliver({ type: 'playing', playing: true });
    const clearing = speaker.clear();
    node?.deliver({
      type: 'cleared',
      id: 1,
      position: { itemId: 'a', contentIndex: 0, playedMs: 100 },
    });
    // Twenty milliseconds are still on their way through the device.
    expect(await clearing).toEqual({ itemId: 'a', contentIndex: 0, playedMs: 80 });
    expect(playing).toEqual([true]);
    expect(speaker.mix).not.toBeNull();
    await speaker.stop();
  });

  it('counts an audio thread that does not answer as silent', async () => {
    const speaker = new Speaker({ workletUrl: '/w.js' });
    await speaker.start(() => undefined);
    expect(await speaker.clear()).toBeNull();
  });

  it('plays a whole stream over WebRTC', async () => {
    const element = {
      srcObject: null as unknown,
      play: vi.fn(async () => undefined),
      pause: vi.fn(),
    };
    vi.stubGlobal('Audio', function Audio() {
      return element;
    });
    const speaker = new Speaker({ workletUrl: '/w.js' });
    speaker.attach(stream as unknown as MediaStream);
    expect(element.srcObject).toBe(stream);
    expect(speaker.mix).toBe(stream);
    await speaker.stop();
    expect(element.pause).toHaveBeenCalled();
    expect(element.srcObject).toBeNull();
  });
});

describe('Recorder', () => {
  // Each look at the clock finds it a little later, so that a recording has a length.
  beforeEach(() => {
    let nowMs = Date.parse('2026-11-22T00:00:00Z');
    vi.spyOn(Date, 'now').mockImplementation(() => {
      nowMs += 5;
      return nowMs;
    });
  });
  afterEach(() => vi.restoreAllMocks());

  const start = (options: object = {}) => {
    const recorder = new Recorder({
      microphone: stream as unknown as MediaStream,
      bitsPerSecond: 24_000,
      maxBytes: 1_000_000,
      ...options,
    });
    recorder.start();
    return { recorder, media: StandInRecorder.made.at(-1)! };
  };

  it('records a clone of the microphone and declares what it is', async () => {
    const { recorder, media } = start();
    expect(media.options).toEqual({
      mimeType: 'audio/webm;codecs=opus',
      audioBitsPerSecond: 24_000,
    });
    expect(recorder.recording).toBe(true);
    recorder.setMuted(true);
    expect(clones[0]?.tracks[0]?.enabled).toBe(false);
    media.record(100);
    const recorded = await recorder.stop();
    expect(recorded?.audio.size).toBe(110);
    expect(recorded?.metadata).toMatchObject({
      audio_type: 'user_speech',
      format: 'webm',
      sample_rate: 48_000,
      channels: 1,
    });
    expect(recorded?.metadata.duration).toBeGreaterThan(0);
    expect(recorded?.fileName).toMatch(/^[\dTZ.-]+\.webm$/);
    expect(clones[0]?.tracks[0]?.stopped).toBe(true);
    expect(stream.tracks[0]?.stopped).toBe(false);
  });

  it('mixes both sides, or records one where the browser cannot', async () => {
    const answers = new StandInStream() as unknown as MediaStream;
    const both = start({ answers });
    both.media.record(5);
    expect((await both.recorder.stop())?.metadata.audio_type).toBe('full_conversation');
    expect(StandInContext.made[0]?.state).toBe('closed');
    vi.stubGlobal(
      'AudioContext',
      class extends StandInContext {
        override createMediaStreamSource(): never {
          throw new DOMException('', 'NotSupportedError');
        }
      },
    );
    const one = start({ answers });
    one.media.record(5);
    expect((await one.recorder.stop())?.metadata.audio_type).toBe('user_speech');
  });

  it('stops before the limit, with a whole file, and reports it', async () => {
    const onCut = vi.fn();
    const { recorder, media } = start({ maxBytes: 300_000, onCut });
    media.record(20_000);
    expect(onCut).not.toHaveBeenCalled();
    media.record(20_000);
    media.record(20_000);
    expect(onCut).toHaveBeenCalledOnce();
    const recorded = await recorder.stop();
    expect(recorded?.cut).toBe(true);
    expect(recorded!.audio.size).toBeLessThan(300_000);
  });

  it('gives null where nothing was recorded', async () => {
    const recorder = new Recorder({
      microphone: stream as unknown as MediaStream,
      bitsPerSecond: 1,
      maxBytes: 1,
    });
    expect(await recorder.stop()).toBeNull();
  });

  it('takes the best type that the browser has', () => {
    expect(bestRecordingType(type => type.startsWith('audio/mp4'))?.format).toBe('mp4');
    expect(bestRecordingType(() => false)).toBeUndefined();
    StandInRecorder.supported = [];
    expect(() => start()).toThrow('cannot record');
    StandInRecorder.supported = ['audio/webm;codecs=opus'];
  });
});

describe('indexedDbShelf', () => {
  it('keeps recordings across openings of the database', async () => {
    const upload = {
      id: 'u1',
      sessionId: 'ses_1',
      audio: new Blob(['sound']),
      fileName: 'a.webm',
      metadata: {} as never,
      keptAt: '2026-11-22T00:00:00.000Z',
      failure: null,
    };
    await indexedDbShelf().put(upload);
    const [kept] = await indexedDbShelf().list();
    expect(kept).toMatchObject({ id: 'u1', fileName: 'a.webm' });
    await indexedDbShelf().remove('u1');
    expect(await indexedDbShelf().list()).toEqual([]);
  });

  it('rejects, and tries anew later, where there is no database', async () => {
    const broken = {
      open: () => {
        const request = { error: new Error('denied') } as Record<string, unknown>;
        queueMicrotask(() => (request.onerror as () => void)());
        return request;
      },
    } as unknown as IDBFactory;
    const shelf = indexedDbShelf(broken);
    await expect(shelf.list()).rejects.toThrow('denied');
    await expect(shelf.list()).rejects.toThrow('denied');
  });
});

describe('xhrSender', () => {
  class StandInXhr {
    static last: StandInXhr;
    status = 201;
    responseText = '{}';
    withCredentials = false;
    readonly headers: Record<string, string> = {};
    readonly upload: { onprogress?: (event: object) => void } = {};
    onload?: () => void;
    onloadend?: () => void;
    onerror?: () => void;
    onabort?: () => void;
    constructor() {
      StandInXhr.last = this;
    }
    open(): void {}
    send(): void {}
    abort(): void {
      this.onabort?.();
    }
    setRequestHeader(name: string, value: string): void {
      this.headers[name] = value;
    }
    getResponseHeader(name: string): string {
      return `value of ${name}`;
    }
  }
  const post = (signal?: AbortSignal) => {
    vi.stubGlobal('XMLHttpRequest', StandInXhr);
    const sent: number[][] = [];
    const sending = xhrSender({
      url: '/audio/upload',
      headers: { 'session-id': 's' },
      body: new FormData(),
      withCookies: true,
      signal,
      onSent: (...figures) => sent.push(figures),
    });
    return { sending, sent, xhr: StandInXhr.last };
  };

  it('reports its progress and the response', async () => {
    const { sending, sent, xhr } = post();
    xhr.upload.onprogress?.({ loaded: 5, total: 10 });
    xhr.onload?.();
    xhr.onloadend?.();
    const answer = await sending;
    expect(answer).toMatchObject({ status: 201, body: '{}' });
    expect(answer.header('x')).toBe('value of x');
    expect(sent).toEqual([[5, 10]]);
    expect(xhr).toMatchObject({ withCredentials: true, headers: { 'session-id': 's' } });
  });

  it('rejects when the line breaks or the caller gives up', async () => {
    const broken = post();
    broken.xhr.onerror?.();
    await expect(broken.sending).rejects.toThrow('could not be sent');
    const abort = new AbortController();
    const given = post(abort.signal);
    abort.abort(new Error('enough'));
    await expect(given.sending).rejects.toThrow('enough');
  });
});
