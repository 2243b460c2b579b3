// The pieces that every page is made of.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { ApiError } from '../lib/api';
import { ago, exact } from '../lib/format';
import { now } from '../lib/live';
import { route } from '../lib/router';
import type { Loaded } from '../lib/load';
import { Icon } from './icons';

type Children = ComponentChildren;

let shownBefore = false;

/** A page with its heading, which takes the focus when people come from another page. */
export function Page({ title, lead, crumbs = [], actions, children }: {
  title: string;
  lead?: Children;
  crumbs?: { href: string; text: string }[];
  actions?: Children;
  children: Children;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  const where = route.value.path.join('/');
  useEffect(() => {
    document.title = `${title} – Gristmill`;
  }, [title]);
  useEffect(() => {
    // Not at the first page: there the browser's own start of the document is right.
    if (shownBefore) {
      heading.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    shownBefore = true;
  }, [where]);
  return (
    <>
      <div class="page-head">
        <div class="page-title">
          {crumbs.length > 0 && (
            <nav aria-label="Breadcrumb" class="crumbs">
              <ol>{crumbs.map(({ href, text }) => <li key={href}><a href={href}>{text}</a></li>)}</ol>
            </nav>
          )}
          <h1 tabIndex={-1} ref={heading}>{title}</h1>
          {lead && <p class="lead">{lead}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

export function Panel({ title, note, actions, children, flush, id }: {
  title: string;
  note?: Children;
  actions?: Children;
  children: Children;
  /** The content brings its own spacing, as tables do. */
  flush?: boolean;
  id?: string;
}) {
  const name = id ?? `panel-${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  return (
    <section class="panel" aria-labelledby={name}>
      <div class="panel-head">
        <h2 id={name}>{title}</h2>
        {note && <span class="note">{note}</span>}
        {actions && <div class="actions">{actions}</div>}
      </div>
      <div class={flush ? 'panel-body flush' : 'panel-body'}>{children}</div>
    </section>
  );
}

/** A time, with the exact one on demand. */
export function Ago({ at }: { at: number | null | undefined }) {
  if (at == null || !Number.isFinite(at) || at <= 0) return <span class="dim">–</span>;
  return <time dateTime={new Date(at).toISOString()} title={exact(at)}>{ago(at, now.value)}</time>;
}

const MARKS: Record<string, { icon: string; tone: string }> = {
  healthy: { icon: 'ok', tone: 'good' },
  completed: { icon: 'ok', tone: 'good' },
  closed: { icon: 'ok', tone: 'good' },
  resolved: { icon: 'ok', tone: 'good' },
  taking: { icon: 'play', tone: 'good' },
  warning: { icon: 'warning', tone: 'warn' },
  acknowledged: { icon: 'pause', tone: 'plain' },
  'half-open': { icon: 'warning', tone: 'warn' },
  draining: { icon: 'down', tone: 'warn' },
  critical: { icon: 'critical', tone: 'bad' },
  raised: { icon: 'critical', tone: 'bad' },
  failed: { icon: 'critical', tone: 'bad' },
  open: { icon: 'critical', tone: 'bad' },
  paused: { icon: 'pause', tone: 'warn' },
  quiet: { icon: 'pause', tone: 'warn' },
  active: { icon: 'play', tone: 'live' },
  delayed: { icon: 'clock', tone: 'plain' },
  up: { icon: 'up', tone: 'live' },
  down: { icon: 'down', tone: 'live' },
  hold: { icon: 'hold', tone: 'plain' },
};

/** A state in a word, with a picture of its own beside the colour. */
export function Tag({ value, text }: { value: string; text?: string }) {
  const { icon, tone } = MARKS[value] ?? { icon: '', tone: 'plain' };
  return <span class={`tag ${tone}`}>{icon && <Icon name={icon} />}{text ?? value}</span>;
}

export function Fault({ error, reload }: { error: ApiError; reload?: () => void }) {
  return (
    <div class="fault" role="alert">
      <Icon name="warning" />
      <div>
        <strong>{error.message}</strong>
        {error.problems.length > 1 && <ul>{error.problems.map((problem) => <li key={problem}>{problem}</li>)}</ul>}
      </div>
      {reload && <button type="button" class="small" onClick={reload}>Try again</button>}
    </div>
  );
}

export const Empty = ({ children }: { children: Children }) => <p class="empty">{children}</p>;

/** What was fetched, or why it is not there. Data that is shown stays when a later call fails. */
export function Show<T>({ of, children }: { of: Loaded<T>; children: (data: T) => Children }) {
  if (of.data === undefined && of.error) return <Fault error={of.error} reload={of.reload} />;
  if (of.data === undefined) return <p class="loading" role="status">Loading…</p>;
  return (
    <>
      {of.error && <Fault error={of.error} reload={of.reload} />}
      {children(of.data)}
    </>
  );
}

/** Names and values. */
export function Facts({ of }: { of: [string, Children][] }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

/** One row of figures under their names. */
export function Figures({ label, of }: { label: string; of: { name: string; value: Children; note?: Children; tone?: string }[] }) {
  return (
    <dl class="figures" aria-label={label}>
      {of.map(({ name, value, note, tone }) => (
        <div key={name} class={tone ?? ''}>
          <dt>{name}</dt>
          <dd>{value}{note && <small>{note}</small>}</dd>
        </div>
      ))}
    </dl>
  );
}

/** How full something is; the words beside it say the same. */
export function Meter({ value, max, label }: { value: number; max: number; label: string }) {
  const share = max > 0 ? Math.min(1, value / max) : 0;
  const tone = share >= 0.9 ? 'bad' : share >= 0.75 ? 'warn' : 'good';
  return (
    <svg class={`meter ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="meter-rail" width="100" height="6" />
      <rect class="meter-fill" width={share * 100} height="6" />
    </svg>
  );
}
