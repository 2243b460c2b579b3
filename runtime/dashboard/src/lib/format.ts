// Numbers, times and JSON as people read them. Pure: the present is an argument.

const SPACE = '\u202f';
const NOTHING = '–';

type Maybe<T> = T | null | undefined;

/** 1234567 as `1 234 567`. */
export function count(value: Maybe<number>): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const [whole = '', part] = String(Math.round(value * 100) / 100).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, SPACE);
  return part ? `${grouped}.${part}` : grouped;
}

/** 12 345 as `12.3k`, where room is scarce. */
export function short(value: Maybe<number>): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  for (const [unit, letter] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (size >= unit) return `${trim(value / unit)}${letter}`;
  }
  return trim(value);
}

const trim = (value: number) => String(Number(value.toPrecision(Math.abs(value) >= 100 ? 4 : 3)));

export function percent(value: Maybe<number>): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  return `${value !== 0 && Math.abs(value) < 10 ? Number(value.toFixed(1)) : Math.round(value)}${SPACE}%`;
}

export function bytes(value: Maybe<number>): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let left = value;
  for (; left >= 1024 && at < units.length - 1; at += 1) left /= 1024;
  return `${trim(left)}${SPACE}${units[at]}`;
}

/** A length of time with at most two units: `850 ms`, `1.5 s`, `2 min 5 s`, `3 d 4 h`. */
export function duration(ms: Maybe<number>): string {
  if (ms == null || !Number.isFinite(ms)) return NOTHING;
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < 1_000) return `${trim(ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms))}${SPACE}ms`;
  if (ms < 59_950) return `${trim(Number((ms / 1000).toFixed(1)))}${SPACE}s`;
  const seconds = Math.round(ms / 1000);
  const two = (big: number, small: number, a: string, b: string) => {
    const whole = Math.floor(seconds / big);
    const rest = Math.floor((seconds % big) / small);
    return `${whole}${SPACE}${a}${rest ? ` ${rest}${SPACE}${b}` : ''}`;
  };
  if (seconds < 3_600) return two(60, 1, 'min', 's');
  if (seconds < 86_400) return two(3_600, 60, 'h', 'min');
  return two(86_400, 3_600, 'd', 'h');
}

/** `3 min ago`, `in 2 h`, with one unit. */
export function ago(at: Maybe<number>, now: number): string {
  if (at == null || !Number.isFinite(at)) return NOTHING;
  const past = now - at;
  const length = Math.abs(past);
  if (length < 1_500) return 'now';
  const text = duration(length < 60_000 ? Math.round(length / 1000) * 1000 : length).split(' ')[0];
  return past > 0 ? `${text} ago` : `in ${text}`;
}

const pad = (value: number, width = 2) => String(value).padStart(width, '0');

/** The time of day, with the date unless that is today's. */
export function time(at: Maybe<number>, now: number): string {
  if (at == null || !Number.isFinite(at)) return NOTHING;
  const date = new Date(at);
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return date.toDateString() === new Date(now).toDateString() ? clock : `${day(date)} ${clock}`;
}

const day = (date: Date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;

/** Date and time to the millisecond, for tooltips and the page of one job. */
export function exact(at: Maybe<number>): string {
  if (at == null || !Number.isFinite(at)) return NOTHING;
  const date = new Date(at);
  return `${day(date)} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}

/** A change against before: `+12 %`, `−3 %`. */
export function trend(value: Maybe<number>): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const rounded = Math.round(value);
  if (rounded === 0) return `±0${SPACE}%`;
  return `${rounded > 0 ? '+' : '−'}${Math.abs(rounded)}${SPACE}%`;
}

/** `sha256:0123456789ab…` as `0123456789ab`. */
export const digest = (text: string) => text.replace(/^sha256:/, '').slice(0, 12);

/** A stored number; `undefined` where there is none. */
export function number(text: Maybe<string>): number | undefined {
  if (text == null || text === '') return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** JSON text with indentation; what is no JSON stays as it is. */
export function pretty(text: Maybe<string>): string {
  if (text == null) return '';
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A stack trace as stored: JSON text of a list, one entry for each attempt, oldest first. */
export function traces(text: Maybe<string>): string[] {
  if (!text) return [];
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read.map(String) : [String(read)];
  } catch {
    return [text];
  }
}

/** The first characters of a text on one line. */
export function cut(text: Maybe<string>, length = 120): string {
  const line = (text ?? '').slice(0, length * 2).replace(/\s+/g, ' ');
  return line.length > length || (text ?? '').length > length * 2 ? `${line.slice(0, length)}…` : line;
}

/** One noun with its number. */
export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** `5m`, `90 s`, `2h`, `1d` or plain ms, as ms; `undefined` where it is none of them. */
export function parseDuration(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?\s*$/.exec(text);
  if (!match) return undefined;
  const unit = { ms: 1, s: 1e3, m: 6e4, min: 6e4, h: 36e5, d: 864e5 }[match[2] ?? 'ms'] ?? 1;
  return Math.round(Number(match[1]) * unit);
}
