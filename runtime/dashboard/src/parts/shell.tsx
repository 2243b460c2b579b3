// What stands around every page.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { dismiss, notices, said } from '../lib/actions';
import { setToken, token } from '../lib/api';
import { count, duration, plural, time } from '../lib/format';
import { alerts, connection, forget, health, mayOperate, now, retryNow, session, start } from '../lib/live';
import { href } from '../lib/route';
import { route } from '../lib/router';
import { Dialog } from './dialog';
import { Icon, Mark } from './icons';

const GROUPS: [string, [string, string][]][] = [
  ['Watch', [['', 'Overview'], ['queues', 'Queues'], ['alerts', 'Alerts'], ['workers', 'Workers'], ['scaling', 'Scaling']]],
  ['Work', [['handlers', 'Handlers'], ['limits', 'Limits'], ['schedules', 'Schedules']]],
  ['Keep', [['settings', 'Settings'], ['audit', 'Audit']]],
];

export function Shell({ children }: { children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const at = route.value.path[0] ?? '';
  useEffect(() => setOpen(false), [route.value]);
  return (
    <div class={open ? 'shell menu-open' : 'shell'}>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>('#main')?.focus();
      }}>Skip to the content</a>
      <header class="top">
        <a class="brand" href="#/"><Mark /><span>Gristmill</span></a>
        <Live />
        <button type="button" class="menu-button" aria-expanded={open} aria-controls="menu" onClick={() => setOpen(!open)}>
          <Icon name={open ? 'close' : 'menu'} /><span>Menu</span>
        </button>
      </header>
      <div class="side" id="menu">
        <nav aria-label="Main">
          {GROUPS.map(([group, items]) => (
            <div key={group} class="nav-group">
              <p aria-hidden="true">{group}</p>
              <ul>
                {items.map(([path, text]) => (
                  <li key={path}>
                    <a href={href(path ? [path] : [])} aria-current={path === at ? 'page' : undefined}>
                      {text}
                      {path === 'alerts' && <AlertCount />}
                    </a>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </nav>
        <Who />
      </div>
      <div class="body">
        <Lost />
        <main id="main" tabIndex={-1}>{children}</main>
      </div>
      <Notices />
      <Dialog />
      <Announcer />
    </div>
  );
}

function AlertCount() {
  const active = (alerts.value ?? []).filter((alert) => alert.state === 'raised');
  if (active.length === 0) return null;
  const bad = active.some((alert) => alert.severity === 'critical');
  return <span class={`pill ${bad ? 'bad' : 'warn'}`}>{count(active.length)}<span class="unseen"> active</span></span>;
}

function Live() {
  const { state } = connection.value;
  const words = { connecting: 'Connecting', live: 'Live', lost: 'Not connected' };
  return <p class={`live ${state}`}><span class="dot" aria-hidden="true" />{words[state]}</p>;
}

function Who() {
  const who = session.value;
  if (!who) return null;
  const leave = () => {
    setToken('');
    forget();
    void start();
  };
  return (
    <aside class="who" aria-label="Who you are">
      <p><b>{who.who}</b> <span class="dim">{who.role}</span></p>
      {!mayOperate.value && <p class="dim">This role looks and changes nothing.</p>}
      {!who.payloads && <p class="dim">Data of jobs is hidden from it.</p>}
      <p class="dim">{who.worker} · {who.version}</p>
      {token() && <button type="button" class="small" onClick={leave}>Forget the token</button>}
    </aside>
  );
}

function Lost() {
  const state = connection.value;
  if (state.state !== 'lost') return null;
  const wait = Math.max(0, Math.ceil((state.next - now.value) / 1000) * 1000);
  return (
    <div class="lost-bar">
      <Icon name="warning" />
      <p>
        <b>The connection is lost.</b> {state.why}{' '}
        {health.value && <>What you see is from {time(Math.min(state.since, now.value), now.value)}. </>}
        {wait > 0 ? `Next try in ${duration(wait)}.` : 'Trying again…'}
      </p>
      <button type="button" class="small" onClick={retryNow}>Try now</button>
    </div>
  );
}

function Notices() {
  return (
    <div class="notices">
      {notices.value.map(({ id, text, bad, problems }) => (
        <div key={id} class={bad ? 'notice bad' : 'notice'} role={bad ? 'alert' : 'status'}>
          <Icon name={bad ? 'critical' : 'ok'} />
          <div>
            <p>{text}</p>
            {problems.length > 0 && <ul>{problems.map((problem) => <li key={problem}>{problem}</li>)}</ul>}
          </div>
          <button type="button" class="bare" aria-label="Dismiss" onClick={() => dismiss(id)}><Icon name="close" /></button>
        </div>
      ))}
    </div>
  );
}

/** Says aloud what changes by itself: the connection and the number of active alerts. */
function Announcer() {
  const { state } = connection.value;
  const raised = alerts.value === null ? null : alerts.value.filter((alert) => alert.state === 'raised').length;
  const [before, setBefore] = useState<{ state: string; raised: number | null }>({ state, raised });
  useEffect(() => {
    if (before.state !== state && before.state !== 'connecting') {
      said.value = state === 'lost' ? 'The connection to the worker is lost.' : 'Connected again.';
    } else if (raised !== null && before.raised !== null && raised !== before.raised) {
      said.value = raised === 0 ? 'No active alerts.' : `${plural(raised, 'active alert')}.`;
    }
    setBefore({ state, raised });
  }, [state, raised]);
  return <p class="unseen" aria-live="polite" role="status">{said.value}</p>;
}
