// What people do: asking first where there is no way back, and saying how it ended.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { ApiError } from './api';

export interface Ask {
  title: string;
  text?: ComponentChildren;
  /** What the button says that does it. */
  action: string;
  danger?: boolean;
  fields?: AskField[];
}

export interface AskField {
  name: string;
  label: string;
  kind?: 'text' | 'long' | 'number' | 'choice' | 'check';
  hint?: string;
  value?: string;
  required?: boolean;
  choices?: { value: string; label: string }[];
  pattern?: string;
  min?: number;
}

export type Answer = Record<string, string>;

interface Open extends Ask {
  done: (answer: Answer | null) => void;
}

export const asked = signal<Open | null>(null);

/** Opens a dialog; resolves with its fields, or `null` when it was left. */
export function ask(what: Ask): Promise<Answer | null> {
  asked.value?.done(null);
  return new Promise((resolve) => {
    asked.value = {
      ...what,
      done: (answer) => {
        asked.value = null;
        resolve(answer);
      },
    };
  });
}

export interface Notice {
  id: number;
  text: string;
  problems: string[];
  bad: boolean;
}

export const notices = signal<Notice[]>([]);
/** What a screen reader says next. */
export const said = signal('');

const SHOWN_MS = 6_000;
let last = 0;

export function say(text: string, bad = false, problems: string[] = []) {
  last += 1;
  const notice = { id: last, text, bad, problems };
  notices.value = [...notices.value.slice(-2), notice];
  // Errors stay until they are dismissed: nobody reads them in a few seconds.
  if (!bad) setTimeout(() => dismiss(notice.id), SHOWN_MS);
}

export function dismiss(id: number) {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Does something and says how it ended; true when it is done. */
export async function act<T>(work: () => Promise<T>, done: string | ((answer: T) => string)): Promise<boolean> {
  try {
    const answer = await work();
    say(typeof done === 'string' ? done : done(answer));
    return true;
  } catch (error) {
    const { message, problems } = error instanceof ApiError ? error : new ApiError(0, String(error));
    say(message, true, problems.length > 1 ? problems : []);
    return false;
  }
}
