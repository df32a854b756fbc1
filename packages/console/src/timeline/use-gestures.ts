import { type RefObject, useEffect, useRef } from 'react';

export interface Gestures {
  /** `share` is where the pointer is, 0 at the left edge and 1 at the right. */
  zoom(factor: number, share: number): void;
  /** By a share of the visible width; positive goes to the right. */
  pan(share: number): void;
  pick(share: number): void;
}

const WHEEL_SPEED = 0.0016;
const DRAG_PX = 4;

/**
 * Wheel and pinch zoom, sideways wheel and drag move, a click picks. A plain wheel scrolls the page
 * unless the timeline has the focus, so that scrolling past it does not zoom.
 */
export function useGestures(ref: RefObject<HTMLElement | null>, gestures: Gestures): void {
  const latest = useRef(gestures);
  latest.current = gestures;
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const share = (clientX: number) => {
      const box = element.getBoundingClientRect();
      return (clientX - box.left) / box.width;
    };
    const onWheel = (event: WheelEvent) => {
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      const focused = element.contains(document.activeElement);
      if (!sideways && !event.ctrlKey && !event.metaKey && !focused) return;
      event.preventDefault();
      if (sideways) latest.current.pan((event.deltaX || event.deltaY) / element.clientWidth);
      else latest.current.zoom(Math.exp(event.deltaY * WHEEL_SPEED), share(event.clientX));
    };
    const stopDrag = watchDrag(element, { share, gestures: () => latest.current });
    // React listens passively, and a passive listener cannot keep the page from scrolling.
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => {
      element.removeEventListener('wheel', onWheel);
      stopDrag();
    };
  }, [ref]);
}

function watchDrag(
  element: HTMLElement,
  how: { share: (clientX: number) => number; gestures: () => Gestures },
): () => void {
  let drag: { x: number; moved: boolean } | null = null;
  const onDown = (event: PointerEvent) => {
    if (event.button === 0) drag = { x: event.clientX, moved: false };
  };
  const onMove = (event: PointerEvent) => {
    if (!drag || (!drag.moved && Math.abs(event.clientX - drag.x) < DRAG_PX)) return;
    element.setPointerCapture(event.pointerId);
    how.gestures().pan((drag.x - event.clientX) / element.clientWidth);
    drag = { x: event.clientX, moved: true };
  };
  const onUp = (event: PointerEvent) => {
    const picked = drag && !drag.moved && !(event.target as Element).closest('[data-seq]');
    drag = null;
    if (picked) how.gestures().pick(how.share(event.clientX));
  };
  const onCancel = () => {
    drag = null;
  };
  element.addEventListener('pointerdown', onDown);
  element.addEventListener('pointermove', onMove);
  element.addEventListener('pointerup', onUp);
  element.addEventListener('pointercancel', onCancel);
  return () => {
    element.removeEventListener('pointerdown', onDown);
    element.removeEventListener('pointermove', onMove);
    element.removeEventListener('pointerup', onUp);
    element.removeEventListener('pointercancel', onCancel);
  };
}
