/**
 * Logs as server-sent events: first what is there, then what comes, in order and each event once.
 *
 * - `feed.ts` reads one log once for all readers of this process with the same rights.
 * - `writer.ts` takes events from the feeds of one stream and sends them in a view.
 * - `streams.ts` authorises readers, opens, re-checks and ends streams.
 *
 * Invariants: a reader holds nothing but its position; one that stalls is cut off and resumes by
 * `Last-Event-ID`. Feeds are joined before anything is read, so that no event falls in between.
 */
export { addStreamRoutes, STREAM_DESCRIPTION, streamOne, streamQuery } from './routes.ts';
export { type StreamDeps, Streams } from './streams.ts';
export type { View } from './writer.ts';
