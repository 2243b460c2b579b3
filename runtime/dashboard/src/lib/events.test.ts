import { describe, expect, it } from 'vitest';
import { EventParser, backoff } from './events';

const STREAM = ': hello\n\nid: 1\nevent: health\ndata: {"a":1}\n\nid: 2\r\nevent: alerts\r\ndata: [1,\r\ndata:2]\r\n\r\ndata\rdata: x\r\revent: empty\n\nid: 3\n\ndata: last\n\n';
const EVENTS = [
  { event: 'health', data: '{"a":1}', id: '1' },
  { event: 'alerts', data: '[1,\n2]', id: '2' },
  { event: 'message', data: '\nx', id: '2' },
  { event: 'message', data: 'last', id: '3' },
];

describe('the stream of events', () => {
  it('is read whole', () => expect(new EventParser().push(STREAM)).toEqual(EVENTS));
  it('is read wherever it is cut', () => {
    for (let cut = 1; cut < STREAM.length; cut += 1) {
      const parser = new EventParser();
      expect([...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))], String(cut)).toEqual(EVENTS);
    }
    const parser = new EventParser();
    expect([...STREAM].flatMap((character) => parser.push(character))).toEqual(EVENTS);
  });
  it('keeps what has not ended', () => {
    const parser = new EventParser();
    expect(parser.push('data: half')).toEqual([]);
    expect(parser.push(' and half\n')).toEqual([]);
    expect(parser.push('\n')).toEqual([{ event: 'message', data: 'half and half', id: undefined }]);
  });
});

describe('waiting for the next try', () => {
  it('grows to half a minute', () => expect([1, 2, 3, 6, 20].map((n) => backoff(n, 1))).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]));
  it('is spread', () => expect([backoff(3, 0), backoff(3, 0.5)]).toEqual([3_000, 3_500]));
});
