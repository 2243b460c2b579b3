import { describe, expect, it } from 'vitest';
import { ago, bytes, count, cut, digest, duration, number, parseDuration, percent, plural, pretty, short, time, traces, trend } from './format';

const plain = (text: string) => text.replace(/\u202f/g, ' ');

describe('numbers', () => {
  it.each([
    [0, '0'], [999, '999'], [1_000, '1 000'], [1_234_567, '1 234 567'], [12_345.678, '12 345.68'], [-1_000, '-1 000'], [null, '–'], [undefined, '–'], [NaN, '–'],
  ])('counts %s', (value, text) => expect(plain(count(value))).toBe(text));
  it.each([[0, '0'], [12, '12'], [999, '999'], [1_500, '1.5k'], [12_345, '12.3k'], [1_000_000, '1M'], [2.345, '2.35'], [null, '–']])(
    'shortens %s', (value, text) => expect(short(value)).toBe(text));
  it.each([[0, '0 %'], [0.24, '0.2 %'], [9.96, '10 %'], [11.8, '12 %'], [100, '100 %'], [null, '–']])(
    'percents %s', (value, text) => expect(plain(percent(value))).toBe(text));
  it.each([[0, '0 B'], [1_023, '1023 B'], [1_024, '1 KiB'], [64 << 20, '64 MiB'], [1.5 * 2 ** 30, '1.5 GiB'], [null, '–']])(
    'bytes %s', (value, text) => expect(plain(bytes(value))).toBe(text));
  it.each([[0.4, '±0 %'], [37.6, '+38 %'], [-3, '−3 %'], [null, '–']])('trends %s', (value, text) => expect(plain(trend(value))).toBe(text));
  it('counts nouns', () => expect([plural(1, 'job'), plural(2, 'job'), plural(0, 'entry', 'entries')]).toEqual(['1 job', '2 jobs', '0 entries']));
});

describe('times', () => {
  it.each([
    [0, '0 ms'], [3.14, '3.1 ms'], [850, '850 ms'], [1_500, '1.5 s'], [59_949, '59.9 s'], [59_990, '1 min'], [125_000, '2 min 5 s'], [3_600_000, '1 h'],
    [5_400_000, '1 h 30 min'], [273_600_000, '3 d 4 h'], [-2_000, '−2 s'], [null, '–'],
  ])('%s ms', (ms, text) => expect(plain(duration(ms))).toBe(text));
  it.each([[0, 'now'], [5_200, '5 s ago'], [-90_000, 'in 1 min'], [7_300_000, '2 h ago'], [-172_800_000, 'in 2 d']])(
    '%s ms before now', (past, text) => expect(plain(ago(1e12 - past, 1e12))).toBe(text));
  it('leaves today’s date out', () => {
    const at = new Date(2026, 2, 5, 9, 3, 7).getTime();
    expect(time(at, at + 60_000)).toBe('09:03:07');
    expect(time(at, at + 2 * 86_400_000)).toBe('2026-03-05 09:03:07');
  });
  it.each([['5m', 300_000], ['90 s', 90_000], ['1.5h', 5_400_000], ['250', 250], ['2d', 172_800_000], ['soon', undefined], ['', undefined], ['-1s', undefined]])(
    'reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms));
});

describe('what is stored', () => {
  it('reads numbers', () => expect([number('5'), number(''), number('x'), number(undefined), number('0')]).toEqual([5, undefined, undefined, undefined, 0]));
  it('indents JSON and leaves other text', () => {
    expect(pretty('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
    expect(pretty('{"a"')).toBe('{"a"');
    expect(pretty(undefined)).toBe('');
  });
  it('reads stack traces', () => {
    expect(traces('["one","two"]')).toEqual(['one', 'two']);
    expect(traces('"one"')).toEqual(['one']);
    expect(traces('no JSON')).toEqual(['no JSON']);
    expect(traces('[]')).toEqual([]);
    expect(traces(undefined)).toEqual([]);
  });
  it('cuts long text', () => {
    expect(cut('a\n  b')).toBe('a b');
    expect(cut('x'.repeat(200), 10)).toBe(`${'x'.repeat(10)}…`);
    expect(cut(`a${' '.repeat(100)}b`, 10)).toBe('a …');
  });
  it('shortens digests', () => expect(digest(`sha256:${'ab'.repeat(32)}`)).toBe('abababababab'));
});
