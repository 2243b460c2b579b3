// Routes live in the part of the address after `#`, so that the server needs to know none of them.

export interface Route {
  /** The parts between slashes, decoded. */
  path: string[];
  query: Record<string, string>;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  return {
    path: path.split('/').filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

type Values = Record<string, string | number | null | undefined>;

/** The address of a route; empty values are left out. */
export function href(path: string[], query: Values = {}): string {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== '');
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

/** Addresses of what pages link to. */
export const to = {
  overview: () => href([]),
  queue: (queue: string) => href(['queues', queue]),
  jobs: (queue: string, query: Values = {}) => href(['queues', queue, 'jobs'], query),
  job: (queue: string, id: string) => href(['queues', queue, 'jobs', id]),
  newJob: (queue: string, name?: string) => href(['queues', queue, 'new'], { name }),
  deployment: (queue: string, job: string) => href(['handlers', queue], { job }),
  limiter: (name: string, key = '') => href(['limits', name], { key }),
  schedules: (queue?: string) => href(['schedules'], { queue }),
  newSchedule: (queue?: string) => href(['schedules', 'new'], { queue }),
  alerts: (query: Values = {}) => href(['alerts'], query),
};

/** The same route with some values of the query replaced. */
export const having = (route: Route, query: Values) => href(route.path, { ...route.query, ...query });
