// The fields that a handler's schema asks for.
import { useId } from 'preact/hooks';
import type { Field } from '../lib/schema';
import { Input } from './input';

interface Shared {
  values: Record<string, string>;
  wrong: Record<string, string>;
  change: (name: string, value: string) => void;
}

export function SchemaForm({ fields, ...shared }: { fields: Field[] } & Shared) {
  return <div class="fields one">{fields.map((field) => <Row key={field.name} field={field} {...shared} />)}</div>;
}

function Row({ field, values, wrong, change }: { field: Field } & Shared) {
  const id = useId();
  const { name, label, hint, required, kind } = field;
  const value = values[name] ?? field.initial;
  const problem = wrong[name];
  const described = [hint && `${id}-hint`, problem && `${id}-wrong`].filter(Boolean).join(' ') || undefined;
  const shared = { id, name: `data.${name}`, 'aria-describedby': described, 'aria-invalid': problem !== undefined };
  const told = (
    <>
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
      {problem && <p class="wrong" id={`${id}-wrong`} role="alert">{label} {problem}</p>}
    </>
  );
  if (kind === 'boolean') {
    return (
      <div class="field">
        <label class="check" for={id}>
          <input {...shared} type="checkbox" checked={value === 'true'} onChange={(event) => change(name, String(event.currentTarget.checked))} />
          {label}
        </label>
        {told}
      </div>
    );
  }
  return (
    <div class="field">
      <label for={id}>{label}{required && <span class="needed"> required</span>}</label>
      <Control field={field} value={value} shared={shared} change={(given) => change(name, given)} />
      {told}
    </div>
  );
}

function Control({ field: { kind, choices, required, min, max, pattern }, value, shared, change }: {
  field: Field;
  value: string;
  shared: { id: string; name: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean };
  change: (value: string) => void;
}) {
  if (kind === 'choice') {
    return (
      <select {...shared} required={required} value={value} onChange={(event) => change(event.currentTarget.value)}>
        <option value="" />
        {choices.map((choice) => {
          const text = JSON.stringify(choice);
          return <option key={text} value={text}>{typeof choice === 'string' ? choice : text}</option>;
        })}
      </select>
    );
  }
  if (kind === 'long' || kind === 'json') {
    return (
      <textarea
        {...shared} class={kind === 'json' ? 'mono' : ''} rows={kind === 'json' ? 4 : 5} spellcheck={kind !== 'json'}
        required={required} value={value} onInput={(event) => change(event.currentTarget.value)}
      />
    );
  }
  const number = kind === 'number' || kind === 'integer';
  return (
    <Input
      id={shared.id} name={shared.name} describedBy={shared['aria-describedby']} invalid={shared['aria-invalid']}
      number={number} step={kind === 'number' ? 'any' : undefined} min={min} max={max}
      pattern={pattern} required={required && number} value={value} onInput={change}
    />
  );
}
