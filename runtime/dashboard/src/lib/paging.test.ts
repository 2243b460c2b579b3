import { describe, expect, it } from 'vitest';
import { page, range } from './paging';

describe('pages', () => {
  it.each([
    [undefined, 0, { number: 1, from: 0, last: 1, beyond: false }],
    ['1', 50, { number: 1, from: 0, last: 1, beyond: false }],
    ['2', 51, { number: 2, from: 50, last: 2, beyond: false }],
    ['20000', 1_000_000, { number: 20_000, from: 999_950, last: 20_000, beyond: false }],
    ['999999', 88, { number: 999_999, from: 49_999_900, last: 2, beyond: true }],
    ['0', 88, { number: 1, from: 0, last: 2, beyond: false }],
    ['-3', 88, { number: 1, from: 0, last: 2, beyond: false }],
    ['two', 88, { number: 1, from: 0, last: 2, beyond: false }],
    ['9'.repeat(40), 88, { number: 1, from: 0, last: 2, beyond: false }],
    ['3', undefined, { number: 3, from: 100, last: undefined, beyond: false }],
  ])('%s of %s jobs', (asked, total, expected) => expect(page(asked, total)).toEqual(expected));

  const count = (n: number) => String(n);
  it.each([
    ['1', 88, 50, '1–50 of 88'], ['2', 88, 38, '51–88 of 88'], ['9', 88, 0, 'none of 88'], ['1', 0, 0, 'none'], ['2', undefined, 7, '51–57'],
    ['2', 40, 3, '51–53 of 53'],
  ])('page %s of %s with %s shown', (asked, total, shown, text) => expect(range(page(asked, total), shown, total, count)).toBe(text));
});
