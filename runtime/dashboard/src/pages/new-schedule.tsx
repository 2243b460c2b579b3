// A new schedule, or a change of one that has the same id.
import { useState } from 'preact/hooks';
import { act } from '../lib/actions';
import { get, send } from '../lib/api';
import { parseDuration } from '../lib/format';
import { session } from '../lib/live';
import { useLoad } from '../lib/load';
import { to } from '../lib/route';
import { go } from '../lib/router';
import type { Json, QueueRow } from '../lib/types';
import { Page, Panel } from '../parts/ui';

export function NewSchedule({ queue }: { queue: string }) {
  const [kind, setKind] = useState<'pattern' | 'every'>('pattern');
  const [wrong, setWrong] = useState('');
  const queues = useLoad('queues', (signal) => get<QueueRow[]>(['queues'], {}, signal), 0);
  const names = queues.data?.map((row) => row.queue) ?? session.value?.queues ?? [];
  const submit = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (key: string) => String(form.get(key) ?? '').trim();
    let data: Json;
    try {
      data = JSON.parse(text('data') || '{}') as Json;
    } catch {
      return setWrong('The data is not JSON.');
    }
    const every = parseDuration(text('every'));
    if (kind === 'every' && !every) return setWrong('The time from one job to the next is such as 30s, 5m or 1h.');
    setWrong('');
    const body = {
      name: text('name'),
      data,
      ...(kind === 'pattern' ? { pattern: text('pattern'), ...(text('zone') ? { zone: text('zone') } : {}) } : { every_ms: every }),
      ...(text('limit') ? { limit: Number(text('limit')) } : {}),
    };
    const where = text('queue');
    if (await act(() => send('PUT', ['queues', where, 'schedulers', text('id')], body), `The schedule ${text('id')} is set.`)) go(to.schedules(where));
    return undefined;
  };
  return (
    <Page title="New schedule" crumbs={[{ href: to.schedules(), text: 'Schedules' }]}>
      <form class="form" onSubmit={submit}>
        <Panel title="When">
          <div class="fields">
            <div class="field">
              <label for="s-queue">Queue</label>
              <input id="s-queue" name="queue" list="s-queues" required defaultValue={queue} autocomplete="off" />
              <datalist id="s-queues">{names.map((name) => <option key={name} value={name} />)}</datalist>
            </div>
            <div class="field">
              <label for="s-id">Id</label>
              <input id="s-id" name="id" required maxLength={256} autocomplete="off" aria-describedby="s-id-hint" />
              <p class="hint" id="s-id-hint">A schedule of the queue with this id is replaced.</p>
            </div>
          </div>
          <fieldset class="choices">
            <legend>Repeats</legend>
            <label class="check"><input type="radio" name="kind" checked={kind === 'pattern'} onChange={() => setKind('pattern')} />by a cron pattern</label>
            <label class="check"><input type="radio" name="kind" checked={kind === 'every'} onChange={() => setKind('every')} />after a fixed time</label>
          </fieldset>
          <div class="fields">
            {kind === 'pattern' ? (
              <>
                <div class="field">
                  <label for="s-pattern">Pattern</label>
                  <input id="s-pattern" name="pattern" class="mono" required placeholder="0 3 * * *" autocomplete="off" aria-describedby="s-pattern-hint" />
                  <p class="hint" id="s-pattern-hint">Minute, hour, day, month, weekday; with six fields seconds come first.</p>
                </div>
                <div class="field">
                  <label for="s-zone">Time zone</label>
                  <input id="s-zone" name="zone" placeholder="UTC" autocomplete="off" />
                </div>
              </>
            ) : (
              <div class="field">
                <label for="s-every">Every</label>
                <input id="s-every" name="every" required placeholder="5m" autocomplete="off" aria-describedby="s-every-hint" />
                <p class="hint" id="s-every-hint">Such as 30s, 5m or 1h.</p>
              </div>
            )}
            <div class="field">
              <label for="s-limit">Jobs at most</label>
              <input id="s-limit" name="limit" type="number" min={1} aria-describedby="s-limit-hint" />
              <p class="hint" id="s-limit-hint">Empty: no end.</p>
            </div>
          </div>
        </Panel>
        <Panel title="What">
          <div class="field">
            <label for="s-name">Job name</label>
            <input id="s-name" name="name" required autocomplete="off" />
          </div>
          <div class="field">
            <label for="s-data">Data as JSON</label>
            <textarea id="s-data" name="data" class="mono" rows={6} spellcheck={false} defaultValue="{}" />
          </div>
        </Panel>
        {wrong && <p class="wrong" role="alert">{wrong}</p>}
        <div class="actions">
          <button type="submit" class="primary">Set the schedule</button>
          <a class="button" href={to.schedules()}>Back</a>
        </div>
      </form>
    </Page>
  );
}
