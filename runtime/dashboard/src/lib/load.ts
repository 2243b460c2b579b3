// What one page fetches for itself.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from './api';
import { beat } from './live';

/** For what is sampled once a minute, or changed by hand: every so many beats. */
export const SLOWLY = 6;

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

/**
 * Fetches when `key` changes, and again with every `each`-th beat; 0 is never. What is shown stays
 * until the next answer, but not from one key to another.
 */
export function useLoad<T>(key: string, fetcher: (signal: AbortSignal) => Promise<T>, each = 1): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: ApiError }>({ key });
  const [turn, setTurn] = useState(0);
  const running = useRef<AbortController | undefined>(undefined);
  const current = useRef(fetcher);
  current.current = fetcher;
  // Reading the signal here subscribes the page to it.
  const pulse = each > 0 ? Math.floor(beat.value / each) : 0;
  const asked = useRef('');

  const run = useCallback((which: string) => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    asked.current = which;
    current.current(mine.signal).then(
      (data) => {
        if (running.current !== mine) return;
        running.current = undefined;
        setState({ key: which, data });
      },
      (error: unknown) => {
        if (running.current !== mine || mine.signal.aborted) return;
        running.current = undefined;
        const known = error instanceof ApiError ? error : new ApiError(0, String(error));
        setState((before) => ({ key: which, data: before.key === which ? before.data : undefined, error: known }));
      },
    );
  }, []);

  useEffect(() => {
    // A beat does not cut off an answer that is under way; a slow one would never arrive.
    if (running.current && asked.current === key) return;
    if (document.hidden && state.key === key && state.data !== undefined) return;
    run(key);
  }, [key, pulse]);
  useEffect(() => {
    if (turn > 0) run(key);
  }, [turn]);
  useEffect(() => () => running.current?.abort(), []);

  const fits = state.key === key;
  return {
    data: fits ? state.data : undefined,
    error: fits ? state.error : undefined,
    loading: !fits || (state.data === undefined && state.error === undefined),
    reload: () => setTurn((n) => n + 1),
  };
}
