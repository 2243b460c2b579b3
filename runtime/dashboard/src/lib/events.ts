// Server-sent events read from `fetch`, as an `EventSource` cannot send the header with the token.

export interface StreamEvent {
  event: string;
  data: string;
  id: string | undefined;
}

/** Reads a stream of events piece by piece; a piece may end anywhere, between CR and LF too. */
export class EventParser {
  #rest = '';
  #data: string[] = [];
  #event = '';
  #id: string | undefined;

  push(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    this.#rest += piece;
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(this.#rest);
      if (!end) return events;
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (line === '') {
        if (this.#data.length > 0) {
          events.push({ event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id });
        }
        this.#data = [];
        this.#event = '';
      } else {
        this.#field(line);
      }
    }
  }

  #field(line: string) {
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment, which only keeps the connection open
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
  }
}

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** How long to wait before the next try; `random` in 0..1 keeps many pages from coming back at once. */
export function backoff(failures: number, random: number): number {
  const whole = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(whole * (0.75 + random / 4));
}
