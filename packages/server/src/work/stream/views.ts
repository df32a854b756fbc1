import { cursorText } from './cursor.ts';
import type { Subscription, View } from './writer.ts';

/** The stream of one log: `id` is the event's number. Written once for all who follow it. */
export const singleView: View = {
  shared: true,
  write: (_subscription, frames) =>
    Buffer.from(frames.map(frame => `id: ${frame.seq}\n${frame.body}`).join('')),
};

/** Many logs: `id` holds the position of each of them after the event. */
export function manyView(subscriptions: readonly Subscription[]): View {
  return {
    shared: false,
    write(subscription, frames) {
      const positions = new Map(subscriptions.map(one => [one.subject, one.position]));
      return frames
        .map(frame => {
          positions.set(subscription.subject, frame.seq);
          return `id: ${cursorText(positions)}\n${frame.body}`;
        })
        .join('');
    },
  };
}
