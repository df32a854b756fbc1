import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** How near the end still counts as the end. */
const END_PX = 24;
/** A scroll this soon after a key, wheel or touch is the reader's own. */
const INTENT_MS = 700;
const UPWARD_KEYS = new Set(['ArrowUp', 'PageUp', 'Home']);

/**
 * Keeps the end of what grows in sight until the reader scrolls up, and again from when the reader
 * is back at the end.
 */
export function useFollow(
  frame: RefObject<HTMLElement | null>,
  { size, toEnd }: { size: number; toEnd: () => void },
) {
  const [following, setFollowing] = useState(true);
  const latest = useRef({ following, toEnd });
  latest.current = { following, toEnd };
  // The size is what grows.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useLayoutEffect(() => {
    if (latest.current.following) latest.current.toEnd();
  }, [size]);
  useEffect(() => (frame.current ? listen(frame.current, setFollowing) : undefined), [frame]);
  const resume = useCallback(() => {
    setFollowing(true);
    latest.current.toEnd();
  }, []);
  const stop = useCallback(() => setFollowing(false), []);
  return { following, resume, stop };
}

const INTENTS = ['wheel', 'touchmove', 'pointerdown'] as const;

/** Reports where the reader's own scrolling has led: away from the end, or back to it. */
function listen(element: HTMLElement, onLed: (toEnd: boolean) => void): () => void {
  let intentAt = Number.NEGATIVE_INFINITY;
  let lastTop = element.scrollTop;
  const intend = () => {
    intentAt = performance.now();
  };
  const onKey = (event: KeyboardEvent) => UPWARD_KEYS.has(event.key) && intend();
  const onScroll = () => {
    const top = element.scrollTop;
    const atEnd = element.scrollHeight - element.clientHeight - top <= END_PX;
    const own = performance.now() - intentAt < INTENT_MS;
    if (own && atEnd) onLed(true);
    else if (own && top < lastTop) onLed(false);
    lastTop = top;
  };
  for (const name of INTENTS) element.addEventListener(name, intend, { passive: true });
  element.addEventListener('keydown', onKey);
  element.addEventListener('scroll', onScroll, { passive: true });
  return () => {
    for (const name of INTENTS) element.removeEventListener(name, intend);
    element.removeEventListener('keydown', onKey);
    element.removeEventListener('scroll', onScroll);
  };
}
