import { type RefObject, useLayoutEffect, useState } from 'react';

const BEFORE_MEASURED_PX = 800;

/** The width of an element in px, as it changes. */
export function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(BEFORE_MEASURED_PX);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(1, element.clientWidth)));
    observer.observe(element);
    setWidth(Math.max(1, element.clientWidth));
    return () => observer.disconnect();
  }, [ref]);
  return width;
}
