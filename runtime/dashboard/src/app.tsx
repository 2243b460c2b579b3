// Which page an address shows.
import type { ComponentChildren } from 'preact';
import { locked } from './lib/api';
import { session } from './lib/live';
import type { Route } from './lib/route';
import { route } from './lib/router';
import { Alerts } from './pages/alerts';
import { Audit } from './pages/audit';
import { DeploymentPage } from './pages/deployment';
import { Handlers } from './pages/handlers';
import { JobPage } from './pages/job';
import { Jobs } from './pages/jobs';
import { LimiterPage, Limits } from './pages/limits';
import { NewJob } from './pages/new-job';
import { NewSchedule } from './pages/new-schedule';
import { Overview } from './pages/overview';
import { QueuePage } from './pages/queue';
import { Queues } from './pages/queues';
import { ScalingPage } from './pages/scaling';
import { Schedules } from './pages/schedules';
import { Settings } from './pages/settings';
import { TokenPage } from './pages/token';
import { Workers } from './pages/workers';
import { Shell } from './parts/shell';
import { Page } from './parts/ui';

export function App() {
  if (locked.value) return <TokenPage />;
  return <Shell>{session.value === null ? <p class="loading" role="status">Connecting to the worker…</p> : pageOf(route.value)}</Shell>;
}

function pageOf({ path, query }: Route): ComponentChildren {
  const [first = '', second, third, fourth] = path;
  const name = second ?? '';
  switch (first) {
    case '':
      return <Overview />;
    case 'queues':
      if (second === undefined) return <Queues />;
      if (third === undefined) return <QueuePage queue={name} key={name} />;
      if (third === 'new') return <NewJob queue={name} name={query.name ?? ''} key={name} />;
      if (third === 'jobs' && fourth === undefined) return <Jobs queue={name} key={name} />;
      if (third === 'jobs' && fourth !== undefined) return <JobPage queue={name} id={fourth} key={`${name}/${fourth}`} />;
      break;
    case 'alerts':
      return <Alerts />;
    case 'workers':
      return <Workers />;
    case 'scaling':
      return <ScalingPage />;
    case 'handlers':
      return second === undefined ? <Handlers /> : <DeploymentPage queue={name} job={query.job ?? '*'} />;
    case 'limits':
      return second === undefined ? <Limits /> : <LimiterPage name={name} of={query.key ?? ''} />;
    case 'schedules':
      return second === 'new' ? <NewSchedule queue={query.queue ?? ''} /> : <Schedules />;
    case 'settings':
      return <Settings />;
    case 'audit':
      return <Audit />;
    default:
  }
  return (
    <Page title="No such page">
      <p>There is nothing at this address. The <a href="#/">overview</a> shows all queues.</p>
    </Page>
  );
}
