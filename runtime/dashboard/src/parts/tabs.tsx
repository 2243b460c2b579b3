// Links that look at the same thing in different ways.
import type { ComponentChildren } from 'preact';

export function Tabs({ label, at, of }: { label: string; at: string; of: { key: string; text: ComponentChildren; href: string }[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      <ul>
        {of.map(({ key, text, href }) => <li key={key}><a href={href} aria-current={key === at ? 'page' : undefined}>{text}</a></li>)}
      </ul>
    </nav>
  );
}
