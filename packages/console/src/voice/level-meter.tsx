import { useEffect, useRef } from 'react';
import { voice } from './use-voice.ts';
import styles from './voice.module.css';

const FALL = 0.82;

/**
 * How loud the microphone is. Moved past React, 25 times a second, and hidden from screen readers:
 * they would read every change, and the state already shows in words that the user speaks.
 */
export function LevelMeter({ active, muted }: { active: boolean; muted: boolean }) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let shown = 0;
    const show = (value: number) => {
      shown = value;
      if (bar.current) bar.current.style.transform = `scaleX(${value.toFixed(3)})`;
    };
    show(0);
    if (!active) return;
    return voice.onLevel(level => show(Math.max(level, shown * FALL)));
  }, [active]);
  return (
    <div className={styles.level} data-muted={muted || undefined} aria-hidden="true">
      <div ref={bar} className={styles.levelBar} />
    </div>
  );
}
