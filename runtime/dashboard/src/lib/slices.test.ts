import { expect, it } from 'vitest';
import { day } from './slices';

it('fills the slices of a day that were left out', () => {
  const slice = 600_000;
  const now = 1_000 * slice + 5;
  const { at_ms, allowed, refused } = day([{ from_ms: 1_000 * slice, allowed: 7, refused: { 1000: 2, 60000: 3 } }, { from_ms: 990 * slice, allowed: 1, refused: {} }], now);
  expect(at_ms).toHaveLength(144);
  expect(at_ms.at(-1)).toBe(1_000 * slice);
  expect(allowed.reduce((sum, n) => sum + n)).toBe(8);
  expect([allowed.at(-1), allowed.at(-11), refused.at(-1), refused.at(0)]).toEqual([7, 1, 5, 0]);
});
