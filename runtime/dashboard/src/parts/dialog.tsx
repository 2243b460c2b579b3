// The one dialog: a question, and the fields that its answer needs.
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { asked } from '../lib/actions';
import type { AskField } from '../lib/actions';
import { Input } from './input';

export function Dialog() {
  const open = asked.value;
  const element = useRef<HTMLDialogElement>(null);
  const before = useRef<Element | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const name = useId();
  // Before the next frame: a key pressed right after the question must not fall on the page's body.
  useLayoutEffect(() => {
    const dialog = element.current;
    if (!dialog || !open) return undefined;
    before.current = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before.current instanceof HTMLElement && before.current.isConnected) before.current.focus();
      else document.querySelector('h1')?.focus();
    };
  }, [open]);
  if (!open) return null;
  const answer = (event: Event) => {
    event.preventDefault();
    const given: Record<string, string> = {};
    for (const [key, value] of new FormData(form.current ?? undefined)) given[key] = String(value);
    open.done(given);
  };
  return (
    <dialog
      ref={element}
      aria-labelledby={`${name}-title`}
      onCancel={(event) => {
        event.preventDefault();
        open.done(null);
      }}
      onClick={(event) => event.target === element.current && open.done(null)}
    >
      <form ref={form} onSubmit={answer} class="dialog-form">
        <h2 id={`${name}-title`}>{open.title}</h2>
        {open.text && <p>{open.text}</p>}
        {open.fields?.map((field) => <Field key={field.name} field={field} />)}
        <div class="actions end">
          <button type="button" onClick={() => open.done(null)}>Cancel</button>
          <button type="submit" class={open.danger ? 'danger' : 'primary'}>{open.action}</button>
        </div>
      </form>
    </dialog>
  );
}

function Field({ field }: { field: AskField }) {
  const id = useId();
  const hint = field.hint ? `${id}-hint` : undefined;
  const shared = { id, name: field.name, required: field.required, 'aria-describedby': hint };
  if (field.kind === 'check') {
    return (
      <label class="check" for={id}>
        <input id={id} name={field.name} type="checkbox" value="true" defaultChecked={field.value === 'true'} />
        {field.label}
      </label>
    );
  }
  return (
    <div class="field">
      <label for={id}>{field.label}</label>
      {field.kind === 'choice' ? (
        <select {...shared}>
          {field.choices?.map(({ value, label }) => <option key={value} value={value} selected={value === field.value}>{label}</option>)}
        </select>
      ) : field.kind === 'long' ? (
        <textarea {...shared} rows={3} defaultValue={field.value} />
      ) : (
        <Input
          id={id} name={field.name} number={field.kind === 'number'} required={field.required} min={field.min}
          pattern={field.pattern} initial={field.value} describedBy={hint}
        />
      )}
      {field.hint && <p class="hint" id={hint}>{field.hint}</p>}
    </div>
  );
}
