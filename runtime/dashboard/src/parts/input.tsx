// A line of text or a number.

interface Props {
  id: string;
  name: string;
  number?: boolean | undefined;
  value?: string | undefined;
  initial?: string | undefined;
  required?: boolean | undefined;
  min?: number | undefined;
  max?: number | undefined;
  step?: string | undefined;
  pattern?: string | undefined;
  invalid?: boolean | undefined;
  describedBy?: string | undefined;
  onInput?: ((value: string) => void) | undefined;
}

export function Input({ id, name, number, value, initial, required, min, max, step, pattern, invalid, describedBy, onInput }: Props) {
  const shared = {
    id, name, required, autocomplete: 'off' as const, 'aria-invalid': invalid, 'aria-describedby': describedBy,
    ...(value === undefined ? { defaultValue: initial } : { value }),
    onInput: (event: InputEvent & { currentTarget: HTMLInputElement }) => onInput?.(event.currentTarget.value),
  };
  return number
    ? <input type="number" min={min} max={max} step={step} {...shared} />
    : <input type="text" pattern={pattern} {...shared} />;
}
