// Calls of the HTTP API, with the token of this browser tab.
import { signal } from '@preact/signals';

const KEY = 'gristmill-token';

export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly problems: string[] = []) {
    super(message);
  }
}

/** True while the API asks for a token that we do not have. */
export const locked = signal(false);
/** True once the API has refused a token that was given. */
export const refused = signal(false);

export function token(): string {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

export function setToken(text: string) {
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage every call is made without a token.
  }
}

type Query = Record<string, string | number | boolean | null | undefined>;

/** `['queues', 'a/b']` as a path relative to the page, so that a proxy may put one in front. */
export function address(path: string[], query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== '');
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return `api/v1/${path.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

/** One request; answers that say no are thrown. */
export async function request(method: string, where: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  const given = token();
  if (given) headers.authorization = `Bearer ${given}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(where, {
      method, headers, signal, cache: 'no-store', body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'The worker does not answer.');
  }
  if (response.ok) return response;
  if (response.status === 401) {
    refused.value = given !== '';
    locked.value = true;
  }
  const answer: unknown = await response.json().catch(() => ({}));
  const { error, problems } = (answer ?? {}) as { error?: unknown; problems?: unknown };
  throw new ApiError(
    response.status,
    typeof error === 'string' && error ? error : `The worker answered ${response.status}.`,
    Array.isArray(problems) ? problems.map(String) : [],
  );
}

export async function get<T>(path: string[], query: Query = {}, signal?: AbortSignal): Promise<T> {
  return (await request('GET', address(path, query), undefined, signal)).json() as Promise<T>;
}

/** A call that changes something; answers its JSON, or nothing. */
export async function send<T = unknown>(method: string, path: string[], body?: unknown, query: Query = {}): Promise<T> {
  const response = await request(method, address(path, query), body);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}
