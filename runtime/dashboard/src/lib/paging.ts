// Pages of a long list, of which only one is ever loaded.

export const PAGE = 50;

export interface Page {
  /** From 1. */
  number: number;
  from: number;
  /** The last page; `undefined` where nobody knows how many there are, as in a search. */
  last: number | undefined;
  /** What was asked for lies behind the end. */
  beyond: boolean;
}

/** The page that a query asks for; what is no page is the first. */
export function page(asked: string | undefined, total: number | undefined): Page {
  const number = /^\d{1,12}$/.test(asked ?? '') ? Math.max(1, Number(asked)) : 1;
  const last = total === undefined ? undefined : Math.max(1, Math.ceil(total / PAGE));
  return { number, from: (number - 1) * PAGE, last, beyond: last !== undefined && number > last };
}

/** `51–100 of 1 234`, of what is shown. */
export function range({ from }: Page, shown: number, total: number | undefined, count: (n: number) => string): string {
  if (shown === 0) return total ? `none of ${count(total)}` : 'none';
  const span = `${count(from + 1)}–${count(from + shown)}`;
  return total === undefined ? span : `${span} of ${count(Math.max(total, from + shown))}`;
}
