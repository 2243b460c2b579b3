// The last day of a limiter, whose answer leaves out slices without a call.
import type { Limiter } from './types';

const SLICE_MS = 600_000;
const SLICES = 144;

/** Every slice of the day until now; those that were left out count 0. */
export function day(slices: Limiter['slices'], now: number): { at_ms: number[]; allowed: number[]; refused: number[] } {
  const known = new Map(slices.map((slice) => [Math.floor(slice.from_ms / SLICE_MS), slice]));
  const last = Math.floor(now / SLICE_MS);
  const numbers = Array.from({ length: SLICES }, (_, n) => last - SLICES + 1 + n);
  const sum = (refused: Record<string, number>) => Object.values(refused).reduce((all, n) => all + n, 0);
  return {
    at_ms: numbers.map((n) => n * SLICE_MS),
    allowed: numbers.map((n) => known.get(n)?.allowed ?? 0),
    refused: numbers.map((n) => sum(known.get(n)?.refused ?? {})),
  };
}
