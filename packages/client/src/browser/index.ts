/**
 * The parts of the SDK that need a browser: microphone and speaker for a voice session, a recorder
 * beside it, uploads that report progress, and a shelf for those that failed. The audio worklet is
 * `@holdfast/client/worklet`; a bundler gives its address, which microphone and speaker take.
 */
export { indexedDbShelf } from './indexeddb-shelf.ts';
export { Microphone, type MicrophoneOptions } from './microphone.ts';
export { bestRecordingType, type Recorded, Recorder, type RecorderOptions } from './recorder.ts';
export { Speaker } from './speaker.ts';
export { xhrSender } from './xhr-sender.ts';
