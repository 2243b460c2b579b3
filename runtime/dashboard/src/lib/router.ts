// The current route as a signal.
import { signal } from '@preact/signals';
import { parse } from './route';
import type { Route } from './route';

export const route = signal<Route>(parse(location.hash));

addEventListener('hashchange', () => {
  route.value = parse(location.hash);
});

export const go = (href: string) => {
  location.hash = href;
};

/** Replaces the address without a step in the browser's history. */
export function replace(href: string) {
  history.replaceState(null, '', href);
  route.value = parse(href);
}
