import { useState } from 'react';

export interface Saving {
  readonly busy: boolean;
  readonly error: unknown;
  readonly save: () => Promise<void>;
}

/**
 * What a form does when it is sent. It stays busy after a success: the form is about to go, and
 * must not be sent twice while it does.
 */
export function useSaving(work: () => Promise<unknown>): Saving {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return { busy, error, save };
}
