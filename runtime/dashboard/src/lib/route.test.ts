import { describe, expect, it } from 'vitest';
import { having, href, parse, to } from './route';

describe('routes', () => {
  it.each([
    ['', [], {}], ['#/', [], {}], ['#/queues', ['queues'], {}],
    ['#/queues/email/jobs?state=failed&page=2', ['queues', 'email', 'jobs'], { state: 'failed', page: '2' }],
    ['#/queues/a%2Fb/jobs/repeat%3Ax%3A1', ['queues', 'a/b', 'jobs', 'repeat:x:1'], {}],
    ['#/queues/%zz', ['queues', '%zz'], {}],
    ['#/x?y=a?b', ['x'], { y: 'a?b' }],
  ])('%s', (hash, path, query) => expect(parse(hash)).toEqual({ path, query }));

  it('come back as they were', () => {
    for (const id of ['1', 'a/b', 'a?b', 'ü #&', 'repeat:x:17', '%41', '..']) {
      expect(parse(to.job('q:ü', id)).path).toEqual(['queues', 'q:ü', 'jobs', id]);
    }
    expect(parse(to.deployment('q', '*')).query).toEqual({ job: '*' });
  });
  it('leave empty values out', () => expect(href(['a'], { b: '', c: null, d: undefined, e: 0 })).toBe('#/a?e=0'));
  it('change some values', () => expect(having(parse('#/a?x=1&page=3'), { page: undefined, y: 2 })).toBe('#/a?x=1&y=2'));
});
