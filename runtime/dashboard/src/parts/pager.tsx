// From page to page of a long list.
import { count } from '../lib/format';
import { range } from '../lib/paging';
import type { Page } from '../lib/paging';
import { having } from '../lib/route';
import { go, route } from '../lib/router';
import { Icon } from './icons';

/** `total` is not known for a search; `more` says then whether there is a next page. */
export function Pager({ at, shown, total, more }: { at: Page; shown: number; total: number | undefined; more: boolean }) {
  const link = (number: number) => having(route.value, { page: number === 1 ? undefined : number });
  const next = at.last === undefined ? more : at.number < at.last;
  if (at.number === 1 && !next) return shown > 0 ? <p class="pager"><span>{range(at, shown, total, count)}</span></p> : null;
  const jump = (event: Event) => {
    event.preventDefault();
    const value = new FormData(event.currentTarget as HTMLFormElement).get('page');
    go(link(Math.max(1, Number(value) || 1)));
  };
  return (
    <nav class="pager" aria-label="Pages">
      <span role="status">{range(at, shown, total, count)}</span>
      <span class="pager-links">
        {at.number > 1
          ? <a class="button small" href={link(at.last === undefined ? at.number - 1 : Math.min(at.number - 1, at.last))}><Icon name="left" />Previous</a>
          : <span class="button small off" aria-hidden="true"><Icon name="left" />Previous</span>}
        {at.last !== undefined && (
          <form onSubmit={jump}>
            <label>
              Page <input name="page" type="number" min={1} max={at.last} key={at.number} defaultValue={at.number} />
            </label>
            {' '}of {count(at.last)}
          </form>
        )}
        {next
          ? <a class="button small" href={link(at.number + 1)}>Next<Icon name="right" /></a>
          : <span class="button small off" aria-hidden="true">Next<Icon name="right" /></span>}
      </span>
    </nav>
  );
}
