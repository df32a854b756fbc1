import { useState } from 'react';

export interface Saving {
  readonly busy: boolean;
  readonly error: unknown;
  readonly save: () => Promise<void>;
}

/**
 * Submits a form. It stays busy after a success, because the form is about to close and must not be
 * submitted twice.
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
