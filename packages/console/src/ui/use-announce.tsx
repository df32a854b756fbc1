import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import typography from './typography.module.css';

/** One polite live region for the whole page, for short texts about what has just changed. */
const Announce = createContext<(text: string) => void>(() => undefined);

export function AnnounceProvider({ children }: { children: ReactNode }) {
  const [text, setText] = useState('');
  const announce = useCallback((next: string) => setText(next), []);
  const live = useMemo(() => <div>{text}</div>, [text]);
  return (
    <Announce.Provider value={announce}>
      {children}
      <div role="status" aria-live="polite" className={typography.visuallyHidden}>
        {live}
      </div>
    </Announce.Provider>
  );
}

export function useAnnounce(): (text: string) => void {
  return useContext(Announce);
}
