// A new job, with a form from its handler's schema where there is one.
import { useId, useState } from 'preact/hooks';
import { act } from '../lib/actions';
import { ApiError, get, send } from '../lib/api';
import { parseDuration } from '../lib/format';
import { useLoad } from '../lib/load';
import { to } from '../lib/route';
import { go } from '../lib/router';
import { fields, read } from '../lib/schema';
import type { Json } from '../lib/types';
import { Input } from '../parts/input';
import { SchemaForm } from '../parts/schema-form';
import { Page, Panel } from '../parts/ui';

/** The schema of a job type; `null` where its handler has none. */
async function schemaOf(queue: string, job: string, signal: AbortSignal): Promise<Json> {
  try {
    return await get<Json>(['queues', queue, 'schema'], { job }, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export function NewJob({ queue, name: first }: { queue: string; name: string }) {
  const [name, setName] = useState(first);
  const [asked, setAsked] = useState(first);
  const [values, setValues] = useState<Record<string, string>>({});
  const [json, setJson] = useState('{}');
  const [raw, setRaw] = useState(false);
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const id = useId();
  const schema = useLoad(`${queue}/${asked}`, (signal) => schemaOf(queue, asked, signal), 0);
  const form = fields(schema.data);
  const asForm = form !== undefined && !raw;

  const toJson = () => {
    if (form) {
      const result = read(form, values);
      if ('value' in result) setJson(JSON.stringify(result.value, null, 2));
    }
    setRaw(true);
  };

  const submit = async (event: Event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const text = (key: string) => String(given.get(key) ?? '').trim();
    let data: Json;
    const problems: Record<string, string> = {};
    if (asForm) {
      const result = read(form, values);
      if ('problems' in result) return setWrong(result.problems);
      data = result.value;
    } else {
      try {
        data = JSON.parse(json) as Json;
      } catch (error) {
        return setWrong({ json: `is not JSON: ${error instanceof Error ? error.message : ''}` });
      }
    }
    const opts: Record<string, Json> = {};
    const delay = text('delay') && parseDuration(text('delay'));
    if (delay) opts.delay = delay;
    if (text('priority')) opts.priority = Number(text('priority'));
    if (text('attempts')) opts.attempts = Number(text('attempts'));
    if (text('job-id')) opts.jobId = text('job-id');
    setWrong(problems);
    setBusy(true);
    let added = '';
    const done = await act(
      async () => {
        const answer = await send<{ id: string; existing: boolean }>('POST', ['queues', queue, 'jobs'], { name: name.trim(), data, opts });
        added = answer.id;
        return answer;
      },
      ({ id: is, existing }) => (existing ? `Job ${is} was there already.` : `Job ${is} is added.`),
    );
    setBusy(false);
    if (done) go(to.job(queue, added));
    return undefined;
  };

  return (
    <Page title={`New job for ${queue}`} crumbs={[{ href: '#/queues', text: 'Queues' }, { href: to.queue(queue), text: queue }]}>
      <form class="form" onSubmit={submit}>
        <Panel title="Job">
          <div class="field">
            <label for={`${id}-name`}>Name</label>
            <input
              id={`${id}-name`} name="name" required maxLength={1024} value={name} autocomplete="off"
              onInput={(event) => setName(event.currentTarget.value)} onChange={() => setAsked(name.trim())}
            />
            <p class="hint">It selects the handler, and with it the form of the data.</p>
          </div>
        </Panel>
        <Panel
          title="Data"
          note={schema.loading ? 'looking for a schema…' : form ? 'from the handler’s schema' : 'as JSON; the handler has no schema that makes a form'}
          actions={form && (
            <button type="button" class="small" onClick={() => (raw ? setRaw(false) : toJson())}>{raw ? 'As a form' : 'As JSON'}</button>
          )}
        >
          {asForm ? (
            <SchemaForm fields={form} values={values} wrong={wrong} change={(key, value) => setValues({ ...values, [key]: value })} />
          ) : (
            <div class="field">
              <label for={`${id}-json`}>Data as JSON</label>
              <textarea
                id={`${id}-json`} class="mono" rows={12} spellcheck={false} value={json}
                onInput={(event) => setJson(event.currentTarget.value)}
                aria-invalid={wrong.json !== undefined} aria-describedby={wrong.json ? `${id}-wrong` : undefined}
              />
              {wrong.json && <p class="wrong" id={`${id}-wrong`} role="alert">The data {wrong.json}</p>}
            </div>
          )}
        </Panel>
        <Panel title="Options">
          <div class="fields">
            <Option name="delay" label="Delay" hint="Such as 30s, 10m or 2h." pattern="\s*\d+(\.\d+)?\s*(ms|s|m|min|h|d)?\s*" />
            <Option name="priority" label="Priority" number hint="1 runs first; empty is none." />
            <Option name="attempts" label="Attempts" number hint="Empty: as its job type says." />
            <Option name="job-id" label="Job id" hint="Empty: the next number." />
          </div>
        </Panel>
        <div class="actions">
          <button type="submit" class="primary" disabled={busy}>Add the job</button>
          <a class="button" href={to.queue(queue)}>Back</a>
        </div>
      </form>
    </Page>
  );
}

function Option({ name, label, hint, number: is, pattern }: { name: string; label: string; hint: string; number?: boolean; pattern?: string }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <Input id={id} name={name} number={is} min={0} pattern={pattern} describedBy={`${id}-hint`} />
      <p class="hint" id={`${id}-hint`}>{hint}</p>
    </div>
  );
}
