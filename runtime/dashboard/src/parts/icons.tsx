// Small pictures beside words; each says nothing that the words do not.

const PATHS: Record<string, string> = {
  ok: 'M3.5 8.5l3 3 6-7',
  warning: 'M8 2.2L14.6 13.5H1.4zM8 6.3v3.4M8 11.6v.1',
  critical: 'M5.3 1.5h5.4L14.5 5.3v5.4l-3.8 3.8H5.3L1.5 10.7V5.3zM8 4.7v4M8 11v.1',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3l8 5-8 5z',
  menu: 'M2 4h12M2 8h12M2 12h12',
  close: 'M4 4l8 8M12 4l-8 8',
  up: 'M8 13V3.5M4 7.5l4-4 4 4',
  down: 'M8 3v9.5M4 8.5l4 4 4-4',
  hold: 'M3.5 8h9',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
  clock: 'M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 4.5V8l2.5 1.7',
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false">
      <path d={PATHS[name] ?? ''} fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

/** A millstone, seen from above. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="14" class="mark-stone" />
      <circle cx="16" cy="16" r="3.4" class="mark-eye" />
      <path class="mark-furrow" d="M16 4v7M16 21v7M4 16h7M21 16h7M7.5 7.5l5 5M19.5 19.5l5 5M24.5 7.5l-5 5M12.5 19.5l-5 5" />
    </svg>
  );
}
