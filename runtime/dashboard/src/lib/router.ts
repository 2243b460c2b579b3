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
